// Where the two sides differ on purpose. `gap` stands, word for word, in the Gaps of
// src/deploy/targets/aws/README.md. `rows` has the rows of the table, and of each the fields that are
// not the same; a row that stands here and does not differ fails as well.

export interface Difference {
  gap: string
  rows: Readonly<Record<string, readonly string[]>>
}

const each = (names: readonly string[], fields: readonly string[]) =>
  Object.fromEntries(names.map(name => [name, fields]))

const REWRITTEN_AWAY = ['status', 'body', 'content-type', 'cache-control', 'vary', 'x-site', 'link']
const OF_THE_BUCKET = [
  ...['body', 'content-type', 'cache-control', 'vary', 'accept-ranges', 'x-frame-options'],
  ...['x-moka-release', 'x-site', 'link'],
]

export const DIFFERENCES: readonly Difference[] = [
  {
    gap: 'Strict-Transport-Security is said in every answer, also to a malformed request',
    rows: each(
      [
        ...['dot segments', 'a single dot', 'encoded dot segments', 'an encoded slash'],
        ...['an encoded backslash', 'a backslash', 'a double slash that would be a host'],
        ...['a percent sign without digits', 'percent with bad digits', 'bytes that are no UTF-8'],
        ...['an overlong slash', 'a NUL', 'a line feed', 'malformed, for a browser'],
        ...['malformed, for a program', 'a preview that is not there'],
        'a function of a preview that is not there',
      ],
      ['strict-transport-security'],
    ),
  },
  {
    gap: 'The security defaults are said in every answer of the site',
    rows: {
      ...each(
        ['OPTIONS of a file', 'OPTIONS of a file, as a browser asks before a call'],
        ['x-content-type-options', 'referrer-policy'],
      ),
      ...each(['the statement of the release', 'HEAD of the statement'], ['referrer-policy']),
    },
  },
  {
    gap: 'A range that is too far (416) and a condition that fails (412) are answered by the bucket',
    rows: {
      'a range that is too far': [...OF_THE_BUCKET, 'content-range'],
      'a condition that fails': OF_THE_BUCKET,
    },
  },
  {
    gap: 'CloudFront compresses from 1,000 bytes on',
    rows: { 'a coding from 256 to 1,000 bytes': ['content-encoding'] },
  },
  {
    gap: 'A rule with status 200 to another site is answered with 404',
    rows: { 'a rewrite to another site': REWRITTEN_AWAY },
  },
  {
    gap: 'A rule with status 200 to a function is answered with 404',
    rows: {
      'a rewrite to a function': [
        ...[...REWRITTEN_AWAY, 'access-control-allow-origin', 'x-content-type-options'],
        ...['referrer-policy', 'x-frame-options'],
      ],
    },
  },
  {
    gap: 'A preview asks for its password by the browser each time, and sets no cookie for it',
    rows: each(
      [
        ...['a preview with its password', 'a 404 in a preview with its password'],
        'a function of a preview with its password',
      ],
      ['set-cookie'],
    ),
  },
  {
    gap: 'Answers of functions have no `x-moka-release`',
    rows: each(
      [
        ...['a function', 'a function by letters that need no encoding', 'POST to a function'],
        ...['OPTIONS of a function', 'the path of a function without its end'],
        ...['a call within the limit', 'a function of a preview'],
        ...['POST to a function of a preview', 'a function of a preview with its password'],
      ],
      ['x-moka-release'],
    ),
  },
  {
    gap: 'Dot segments that lead to a function reach it',
    rows: {
      'a function by dot segments': [
        ...['status', 'body', 'content-type', 'x-content-type-options'],
        ...['referrer-policy', 'x-frame-options', 'strict-transport-security'],
        'access-control-allow-origin',
      ],
    },
  },
  {
    gap: 'A throttled call gets the answer of API Gateway',
    rows: {
      'a throttled call': ['body', 'cache-control', 'retry-after', 'x-moka-release'],
    },
  },
]

/** What else differs where viewer-response is given the request as it was sent. */
export const WITHOUT_THE_DECISION: Difference = {
  gap: 'Should viewer-response ever be given the request as it was sent',
  rows: {
    'a rewrite to a 410': ['status', 'cache-control', 'etag', 'last-modified', 'accept-ranges'],
    'a hashed asset of the release before': ['x-moka-release'],
  },
}
