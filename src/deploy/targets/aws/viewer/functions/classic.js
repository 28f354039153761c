// viewer-request of classic mode: the objects are named as the files are, and there is no store. RULES
// are the redirects; PAGES has four characters of the hash of each HTML file's path, one after another.
// What is no page is taken to be there: the bucket answers 404 where it is not.

function handler(event) {
  const request = event.request
  const query = request.rawQueryString()
  const path = decodePath(request.uri)
  if (path === undefined) return refuse()
  const ask = {
    request_: request,
    host_: request.headers.host.value.toLowerCase().replace(/:\d*$/, ''),
    query_: query === undefined ? '' : `?${query}`,
    path_: path,
    base_: basePath(path),
  }
  ask.file_ = findFile(ask, path)
  const rule = firstRule(ask, segmentsOf(path), RULES)
  if (rule && rule.isForced_) return follow(ask, rule)
  if (ask.file_) {
    const canonical = canonicalPath(ask, ask.file_)
    if (canonical !== path) return redirect(301, encodePath(canonical) + ask.query_)
    return send(ask, ask.file_)
  }
  return rule && !/\.[^/]*$/.test(path) ? follow(ask, rule) : send(ask, path)
}

function follow(ask, rule) {
  if (rule.location_) return redirect(rule.status_, rule.location_)
  const to = rule.status_ === 200 ? decodePath(rule.to_) : undefined
  // Another status is the bucket's 404.
  return send(ask, to === undefined ? ask.path_ : findFile(ask, to) || to)
}

function send(ask, file) {
  // Of no object: asked for a folder, and for "/" most of all, the bucket would list what it has.
  ask.request_.uri = encodeKey(file.endsWith('/') ? `${file}index.html` : file)
  ask.request_.querystring = {}
  return ask.request_
}

function has(_ask, path) {
  const hash = crypto.createHash('sha256').update(path).digest('base64url').slice(0, 4)
  for (let at = 0; at < PAGES.length; at += 4) if (PAGES.substr(at, 4) === hash) return true
  return false
}

function redirect(status, location) {
  const headers = {}
  set(headers, 'location', location)
  set(headers, 'cache-control', 'public, max-age=0, must-revalidate')
  setSecurity(headers)
  return { statusCode: status, headers: headers }
}

function refuse() {
  const headers = {}
  set(headers, 'content-type', 'text/plain; charset=utf-8')
  set(headers, 'cache-control', 'no-store')
  return { statusCode: 400, headers: headers, body: 'The path of the request is malformed.\n' }
}
