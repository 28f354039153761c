// What viewer-request answers itself, for files and for functions.

const NO_STORE = 'no-store'

function credentials(ask) {
  const match = /^basic\s+([A-Za-z0-9+/]+=*)\s*$/i.exec(field(ask, 'authorization'))
  return match ? Buffer.from(match[1], 'base64').toString() : ''
}

function hash(text, encoding) {
  return crypto
    .createHash('sha256')
    .update(text)
    .digest(encoding || 'base64url')
}

function respond(ask, status, cache, fields, body) {
  const headers = {}
  const head = ask.head_
  if (head) {
    set(headers, 'x-moka-release', head.i)
    if (head.t) set(headers, 'strict-transport-security', head.t)
  }
  if (ask.preview_) set(headers, 'x-robots-tag', 'noindex')
  Object.keys(fields).forEach(name => set(headers, name, fields[name]))
  const isPrivate = ask.isLocked_ || (head && head.w && cache !== NO_STORE)
  if (cache) set(headers, 'cache-control', isPrivate ? 'private, no-cache' : cache)
  if (status > 204) setSecurity(headers)
  const response = { statusCode: status, headers: headers }
  if (body) response.body = body
  return response
}

// The built-in page of an error: HTML for browsers, JSON for who asks for it, else text.
async function page(ask, status, message, name, value) {
  const accept = field(ask, 'accept')
  let type = 'text/plain'
  let body = message
  if (/text\/html/i.test(accept)) {
    type = 'text/html'
    const html = await get(`page:${status}`)
    body = html ? html.replace('$', message) : message
  } else if (/application\/json/i.test(accept)) {
    type = 'application/json'
    body = JSON.stringify({ message: message })
  }
  const fields = { 'content-type': `${type}; charset=utf-8` }
  if (name) fields[name] = value
  return respond(ask, status, NO_STORE, fields, `${body}\n`)
}

function unauthorised(ask, message, realm) {
  return page(ask, 401, message, 'www-authenticate', `Basic realm="${realm}", charset="UTF-8"`)
}
