// viewer-response of classic mode: RULES are those of _headers. A page is matched by the address that
// leads to it, which is not always the one that this function sees.

function handler(event) {
  const headers = event.response.headers
  delete headers['x-amz-meta-cache-tag']
  const path = decodePath(event.request.uri) || '/'
  const page = path.replace(/(\/)index\.html$|\.html$/, '$1')
  RULES.forEach(rule => {
    if (!isCovered(rule[0], path) && !isCovered(rule[0], page)) return
    Object.keys(rule[1]).forEach(name => set(headers, name, rule[1][name]))
  })
  setSecurity(headers)
  return event.response
}
