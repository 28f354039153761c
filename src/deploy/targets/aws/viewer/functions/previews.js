// Which release a request is for, and the password of a preview, for files and for functions.

function askOf(request) {
  const host = request.headers.host.value.toLowerCase().replace(/:\d*$/, '')
  return { request_: request, host_: host }
}

// The host of a preview names it, or the cookie that its path has set.
function namePreview(ask) {
  const byHost = /^([a-z0-9-]{1,30})\.preview\./.exec(ask.host_)
  const cookie = ask.request_.cookies['moka-preview-name']
  ask.isByHost_ = byHost
  ask.preview_ = byHost ? byHost[1] : cookie ? cookie.value : ''
}

async function findRelease(ask) {
  const text = await get(ask.preview_ ? `preview:${ask.preview_}` : 'live')
  if (text) {
    ask.live_ = JSON.parse(text)
    ask.head_ = ask.live_.r
    return
  }
  if (!ask.preview_) return page(ask, 503, 'Nothing was deployed here yet.')
  const gone = await page({ request_: ask.request_ }, 404, 'There is no such preview any more.')
  if (!ask.isByHost_) gone.cookies = previewCookie('', '; Max-Age=0')
  return gone
}

function previewCookie(name, more) {
  const attributes = `Path=/; Secure; HttpOnly; SameSite=Lax${more}`
  return { 'moka-preview-name': { value: name, attributes: attributes } }
}

// What a preview with a password answers who has not said it.
async function refuseStranger(ask) {
  const head = ask.head_
  if (!head.w || hash(head.s + credentials(ask).replace(/^[^:]*:?/, '')) === head.w) return
  const message = 'This preview wants a password; any name will do.'
  const answer = await unauthorised(ask, message, `preview ${ask.preview_}`)
  return answer
}
