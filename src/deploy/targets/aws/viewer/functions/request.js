// viewer-request: which object of the bucket a request gets, or which answer without any.
//
//   preview? → its password → statement? → OPTIONS? → lock → forced redirect → file
//     → asset of an earlier release → redirect → 404
//
// The same steps as src/edge/answer.ts, in the same order. `ask` is what is known of the request.

const ALLOWED = 'GET, HEAD, OPTIONS'

async function handler(event) {
  const request = event.request
  const ask = askOf(request)
  const query = request.rawQueryString()
  ask.query_ = query === undefined ? '' : `?${query}`
  ask.isRead_ = request.method === 'GET' || request.method === 'HEAD'
  const led = await leadToPreview(ask)
  if (led) return led
  namePreview(ask)
  const found = await findRelease(ask)
  if (found) return found
  ask.path_ = decodePath(request.uri)
  if (ask.path_ === undefined) {
    return page({ request_: request }, 400, 'The path of the request is malformed.')
  }
  const refused = await refuseStranger(ask)
  if (refused) return refused
  if (ask.path_ === '/.well-known/mokapot/release.json' && ask.isRead_ && ask.head_.m) {
    return statement(ask)
  }
  if (request.method === 'OPTIONS') return respond(ask, 204, '', { allow: ALLOWED })
  await loadFiles(ask)
  if (ask.head_.l) {
    const locked = await askForLock(ask, [ask.path_, ask.file_])
    if (locked) return locked
  }
  return answer(ask)
}

// /.well-known/mokapot/preview/NAME/… chooses a preview for this browser; without a name, live.
async function leadToPreview(ask) {
  const match = /^\/\.well-known\/mokapot\/preview\/([a-z0-9-]{0,30})(\/.*)?$/.exec(
    ask.request_.uri,
  )
  if (!match) return
  const name = match[1]
  const text = await get(`preview:${name}`)
  if (name && !text) return
  const response = respond(ask, 307, NO_STORE, {
    location: `https://${ask.host_}${match[2] || '/'}${ask.query_}`,
    'x-robots-tag': 'noindex',
  })
  response.cookies = previewCookie(name, name ? '' : '; Max-Age=0')
  return response
}

async function statement(ask) {
  const text = await getPieces(`${ask.head_.i}:m`, ask.head_.m)
  const fields = {
    'content-type': 'application/json; charset=utf-8',
    'access-control-allow-origin': '*',
    'x-content-type-options': 'nosniff',
  }
  return respond(ask, 200, 'no-cache', fields, `${text}\n`)
}

async function answer(ask) {
  const head = ask.head_
  let rule
  if (head.f) {
    rule = await findRule(ask)
    if (rule && rule.isForced_) return follow(ask, rule)
  }
  const file = ask.file_
  if (file && file !== '/404.html') {
    if (!ask.isRead_) return methodNotAllowed(ask)
    const canonical = canonicalPath(ask, file)
    if (canonical !== ask.path_) return redirect(ask, 301, encodePath(canonical) + ask.query_)
    return send(ask, file, 200)
  }
  const retained = ask.live_.p || []
  for (let i = 0; i < retained.length; i++) {
    const entries = await readShard(retained[i], ask.base_)
    const folder = entries && lookUp(retained[i], entries, ask.path_)
    if (!folder || !folder.isImmutable_) continue
    if (!ask.isRead_) return methodNotAllowed(ask)
    ask.id_ = retained[i].i
    return sendObject(ask, folder.id_, ask.path_, 200)
  }
  if (!head.f) rule = await findRule(ask)
  return rule ? follow(ask, rule) : notFound(ask)
}

function follow(ask, rule) {
  if (rule.location_) return redirect(ask, rule.status_, rule.location_)
  return rewrite(ask, rule)
}

async function rewrite(ask, rule) {
  const to = decodePath(rule.to_)
  if (to === undefined) return notFound(ask)
  const from = ask.path_
  ask.path_ = to
  await loadFiles(ask)
  const file = ask.file_
  const canonical = file && canonicalPath(ask, file)
  ask.path_ = from
  if (!file) return notFound(ask)
  if (!ask.isRead_) return methodNotAllowed(ask)
  if (ask.head_.l) {
    const locked = await askForLock(ask, [canonical, file])
    if (locked) return locked
  }
  return send(ask, file, rule.status_)
}

function notFound(ask) {
  if (!ask.head_.e || !ask.isRead_) return page(ask, 404, 'There is no page at this address.')
  return sendObject(ask, ask.head_.e, '/404.html', 404)
}

// --- The index of paths: a shard has what is known of a path and of all that may answer for it.

async function loadFiles(ask) {
  ask.base_ = basePath(ask.path_)
  ask.entries_ = await readShard(ask.head_, ask.base_)
  if (!ask.entries_) {
    // "live" was here before what it names: what was live before has all it needs.
    ask.head_ = ask.live_.p[0]
    ask.entries_ = await readShard(ask.head_, ask.base_)
  }
  ask.file_ = findFile(ask, ask.path_)
}

async function readShard(head, base) {
  const entries = await get(`${head.i}:${place(head, base, head.n)}`)
  return entries
}

// The folder of a path, by its fingerprint: six characters of it, four of a number.
function lookUp(head, entries, path) {
  const fingerprint = hash(head.s + path).slice(0, 6)
  for (let at = 0; at < entries.length; at += 10) {
    if (entries.substr(at, 6) !== fingerprint) continue
    const number = parseInt(entries.substr(at + 6, 4), 36)
    return { id_: `r-${number >> 1}`, isImmutable_: number & 1 }
  }
  return
}

function has(ask, path) {
  return lookUp(ask.head_, ask.entries_, path)
}

// --- Redirects: those of one path each are found by it; patterns stand in order.

async function findRule(ask) {
  const head = ask.head_
  const segments = segmentsOf(ask.path_)
  let exact = []
  if (head.x) {
    const text = await kvs.get(`${head.i}:x${place(head, segments.join('/'), head.x)}`)
    exact = JSON.parse(text)
  }
  for (let i = 0; i < head.c; i++) {
    const text = await kvs.get(`${head.i}:c${i}`)
    const patterns = JSON.parse(text)
    const last = patterns[patterns.length - 1].n
    const found = firstRule(ask, segments, patterns.concat(exact.filter(rule => rule.n < last)))
    if (found) return found
    exact = exact.filter(rule => rule.n > last)
  }
  return firstRule(ask, segments, exact)
}

// --- Locks: the last rule that has one for any of the paths decides.

async function askForLock(ask, paths) {
  if (!ask.locks_) {
    const text = await getPieces(`${ask.head_.i}:l`, ask.head_.l)
    ask.locks_ = JSON.parse(text).reverse()
  }
  const lock = ask.locks_.find(rule => paths.some(path => path && isCovered(rule[0], path)))
  if (!lock) return
  ask.isLocked_ = lock[1].includes(hash(ask.head_.s + credentials(ask)))
  if (ask.isLocked_) return
  return unauthorised(ask, 'This page wants a name and a password.', 'site')
}

// Which of so many keys has what is known of a path.
function place(head, path, count) {
  return parseInt(hash(head.s + path, 'hex').slice(0, 8), 16) % count
}

// --- Answers.

function send(ask, file, status) {
  return sendObject(ask, has(ask, file).id_, file, status)
}

// The request goes on as one for the object. What viewer-response needs to know stands in a field.
function sendObject(ask, folder, file, status) {
  const request = ask.request_
  const head = ask.head_
  const flags = (ask.preview_ ? 'p' : '') + (ask.isLocked_ || head.w ? 'l' : '')
  const id = ask.id_ || head.i
  const words = [id, status, head.i, head.h, flags || '-', request.uri.slice(0, 2000), head.t || '']
  set(request.headers, 'x-moka-answer', words.join(' '))
  request.uri = `/releases/${folder}${encodeKey(file)}`
  request.querystring = {}
  if (status !== 200) {
    const conditions = ['match', 'none-match', 'modified-since', 'unmodified-since', 'range']
    conditions.forEach(name => delete request.headers[`if-${name}`])
    delete request.headers.range
  }
  return request
}

function redirect(ask, status, location) {
  return respond(ask, status, 'public, max-age=0, must-revalidate', { location: location })
}

function methodNotAllowed(ask) {
  return page(ask, 405, 'This address takes GET and HEAD only.', 'allow', ALLOWED)
}
