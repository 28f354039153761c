// Pretty URLs, as src/edge/site/pretty-urls.ts has them. `has(ask, path)` is who uses it's to define.

function basePath(path) {
  let end = path.length
  for (;;) {
    if (path.endsWith('/', end)) end -= 1
    else if (path.endsWith('.html', end)) end -= 5
    else if (path.endsWith('/index', end)) end -= 6
    else return path.slice(0, end)
  }
}

function findFile(ask, path) {
  const candidates = path.endsWith('/')
    ? [`${path}index.html`, `${path.slice(0, -1)}.html`]
    : [path, `${path}.html`, `${path}/index.html`]
  return candidates.find(candidate => has(ask, candidate))
}

function canonicalPath(ask, file) {
  const short = file.replace(/(\/)index\.html$|\.html$/, '$1')
  return short !== file && findFile(ask, short) === file ? short : file
}

function encodePath(path) {
  return `/${encodeSegments(path.replace(/^[/\\]+/, ''))}`
}

// A path as the bucket's objects are asked for: what a signature would encode is encoded already.
function encodeKey(path) {
  return path
    .split('/')
    .map(encodeURIComponent)
    .join('/')
    .replace(/[!'()*]/g, encodeMark)
}

function encodeMark(mark) {
  return `%${mark.codePointAt(0).toString(16).toUpperCase()}`
}

function encodeSegments(value) {
  return value.split('/').map(encodeSegment).join('/')
}

function encodeSegment(segment) {
  return encodeURIComponent(segment).replace(/%(3A|40|24|26|2B|2C|3B|3D)/g, decodeURIComponent)
}
