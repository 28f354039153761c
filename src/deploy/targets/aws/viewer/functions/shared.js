// What both functions do. Nothing here but ES 5.1, const, let, arrow functions, template literals and
// await as a statement of its own: that is what the runtime cloudfront-js-2.0 promises.

// A value of the store, or undefined.
async function get(key) {
  try {
    const value = await kvs.get(key)
    return value
  } catch (error) {
    return
  }
}

// What stands in the store in pieces of a key each.
async function getPieces(key, count) {
  let text = ''
  for (let i = 0; i < count; i++) {
    const piece = await kvs.get(key + i)
    text += piece
  }
  return text
}

// The path that a percent-encoded path names, or undefined where it is refused.
function decodePath(raw) {
  if (raw[0] !== '/' || /%2f|%5c|\\|[^\x21-\x7e]/i.test(raw)) return
  try {
    const path = decodeURIComponent(raw)
    return /[\x00-\x1f\x7f]|(^|\/)\.\.?(\/|$)/.test(path) ? undefined : path
  } catch (error) {
    return
  }
}

// Whether a pattern of _headers covers a path: of its pieces 0 is anything, 1 a segment, others text.
function isCovered(patterns, path) {
  let normal = path.trim().toLowerCase()
  if (normal.length > 1 && normal.endsWith('/')) normal = normal.slice(0, -1)
  return patterns.some(pieces => matchesPieces(pieces, normal))
}

function matchesPieces(pieces, path) {
  let ends = [0]
  for (let i = 0; i < pieces.length && ends.length; i++) {
    const piece = pieces[i]
    const next = []
    if (piece === 0) for (let at = ends[0]; at <= path.length; at++) next.push(at)
    else
      ends.forEach(at => {
        if (piece !== 1) {
          if (path.startsWith(piece, at)) next.push(at + piece.length)
        } else if (path[at - 1] === '/') {
          const slash = path.indexOf('/', at)
          const end = slash < 0 ? path.length : slash
          if (end > at) next.push(end)
        }
      })
    ends = next
  }
  return ends[ends.length - 1] === path.length
}

const SECURITY = {
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'strict-origin-when-cross-origin',
  'x-frame-options': 'SAMEORIGIN',
}

// What every page says unless a rule says otherwise; who may frame it is the policy's to say, if any.
function setSecurity(headers) {
  Object.keys(SECURITY).forEach(name => {
    if (!headers[name]) set(headers, name, SECURITY[name])
  })
  const policy = headers['content-security-policy']
  if (policy && /(^|[;,])\s*frame-ancestors\s/i.test(policy.value))
    delete headers['x-frame-options']
}

function set(headers, name, value) {
  headers[name] = { value: value }
}

function field(ask, name) {
  const found = ask.request_.headers[name]
  return found ? found.value : ''
}
