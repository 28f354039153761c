// Before functions that are asked by their URL.
//
// CloudFront signs what it sends to a function URL (origin access control, SigV4) without reading
// bodies: a request that has one must bring the body's SHA-256 itself, in x-amz-content-sha256. One
// that could have one and has none gets that of nothing here, so that only real bodies need care.

const NOTHING = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

function nameNothing(request) {
  const headers = request.headers
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const length = headers['content-length']
  const hasBody = headers['transfer-encoding'] || (length && length.value !== '0')
  if (!isRead && !hasBody && !headers['x-amz-content-sha256'])
    headers['x-amz-content-sha256'] = { value: NOTHING }
  return request
}
