// viewer-request, before functions: who looks at a preview is led to the preview's own.
//
//   preview? → its password → its function for the path → the door to functions of previews
//
// The live site's are asked as they were, without a read of the store. The door (operations/lambda/
// preview-door.ts) finds the alias in the path, which nobody knows but the store.

const DOOR = '/.well-known/mokapot/functions/'

async function handler(event) {
  const request = event.request
  const ask = askOf(request)
  namePreview(ask)
  if (!ask.preview_) return IS_URL ? nameNothing(request) : request
  const gone = await findRelease(ask)
  if (gone) return gone
  const refused = await refuseStranger(ask)
  if (refused) return refused
  const found = await findFunction(ask)
  if (!found) return page(ask, 404, 'There is no page at this address.')
  // Functions see neither the password nor which preview they are in.
  if (ask.head_.w) delete request.headers.authorization
  delete request.cookies['moka-preview-name']
  set(request.headers, 'x-moka-function', `${found[1]} ${found[2] ? '$default' : found[0]}`)
  request.uri = DOOR + ask.live_.f.a + request.uri
  if (IS_URL) cf.selectRequestOriginById('functions')
  return request
}

// Exact routes come first, then the longest: the first that has the path is the function's.
async function findFunction(ask) {
  const functions = ask.live_.f
  if (!functions) return
  const text = await getPieces(`preview:${ask.preview_}:`, functions.n)
  const path = decodePath(ask.request_.uri) || ask.request_.uri
  return JSON.parse(text).find(row => {
    const route = row[0]
    if (!route.endsWith('/*')) return route === path
    return path === route.slice(0, -2) || path.startsWith(route.slice(0, -1))
  })
}
