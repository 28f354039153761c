// viewer-response: the rules of _headers, and the status of a page that is not what was asked for.
//
// The field that viewer-request has set tells what it decided. AWS's manual does not promise that
// this function sees it, so there is a second way to the same: the address, as it came or as it was
// rewritten, and the mark that the error page has as an object of the bucket.

// As src/http/media-types.ts has it: text, and what is worth compressing besides.
const COMPRESSIBLE =
  /^(text\/|application\/(javascript|json|xml|toml|yaml|sql|wasm|x-tar|vnd\.ms-fontobject)(;|$)|font\/[ot]tf|image\/(bmp|vnd\.microsoft\.icon)|[^;]+\+(json|xml)(;|$))/

async function handler(event) {
  const response = event.response
  const headers = response.headers
  const seen = await decisionOf(event)
  const isError = seen.status >= 400
  const type = headers['content-type']
  // A 304 does not say of what.
  if (!headers.vary && (type ? COMPRESSIBLE.test(type.value) : response.statusCode === 304))
    set(headers, 'vary', 'Accept-Encoding')
  if (seen.headers) {
    const text = await getPieces(`${seen.rules}:h`, seen.headers)
    applyRules(headers, JSON.parse(text), seen.path)
  }
  setSecurity(headers)
  if (isError) set(headers, 'cache-control', 'no-cache')
  if (seen.flags.includes('l')) set(headers, 'cache-control', 'private, no-cache')
  if (seen.flags.includes('p')) set(headers, 'x-robots-tag', 'noindex')
  if (seen.hsts && !headers['strict-transport-security'])
    set(headers, 'strict-transport-security', seen.hsts)
  set(headers, 'x-moka-release', seen.id)
  Object.keys(headers).forEach(name => {
    if (/^x-amz-(meta-|server-side|version|storage)/.test(name)) delete headers[name]
  })
  if (seen.status !== 200 && response.statusCode === 200) {
    response.statusCode = seen.status
    delete response.statusDescription
    delete headers.etag
    delete headers['last-modified']
    delete headers['accept-ranges']
  }
  return response
}

async function decisionOf(event) {
  const request = event.request
  const field = request.headers['x-moka-answer']
  if (field) {
    const parts = field.value.split(' ')
    return {
      id: parts[0],
      status: Number(parts[1]),
      rules: parts[2],
      headers: Number(parts[3]),
      flags: parts[4],
      path: decodePath(parts[5]) || '/',
      hsts: parts.slice(6).join(' '),
    }
  }
  const host = request.headers.host.value
  const byHost = /^([a-z0-9-]{1,30})\.preview\./.exec(host)
  const cookie = request.cookies['moka-preview-name']
  const preview = byHost ? byHost[1] : cookie ? cookie.value : ''
  const text = await get(preview ? `preview:${preview}` : 'live')
  const head = text ? JSON.parse(text).r : { i: '-', h: 0 }
  const isMarked = event.response.headers['x-amz-meta-moka-status']
  const path = request.uri.replace(/^\/releases\/r-\d+\//, '/')
  return {
    id: head.i,
    status: isMarked ? 404 : 200,
    rules: head.i,
    headers: head.h,
    // Who has brought a name and a password may have opened a lock by it.
    flags: (preview ? 'p' : '') + (head.w || (head.l && request.headers.authorization) ? 'l' : ''),
    path: decodePath(path) || '/',
    hsts: head.t,
  }
}

// All rules that cover the path; later ones win, and Vary is added to.
function applyRules(headers, rules, path) {
  rules.forEach(rule => {
    if (!isCovered(rule[0], path)) return
    Object.keys(rule[1]).forEach(name => {
      const old = headers[name]
      const isAdded = name === 'vary' && old
      headers[name] = { value: isAdded ? `${old.value}, ${rule[1][name]}` : rule[1][name] }
    })
  })
}
