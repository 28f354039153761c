import type { Project } from '../../config/project.ts'
import { type Page, typeOf } from './page.ts'
import type { Place } from './place.ts'
import {
  done,
  missing,
  type Outcome,
  reasonOf,
  shorten,
  tellRequest,
  tellSize,
  unknown,
} from './step.ts'

/** Step 2: the résumé is HTML. */
export function html({ answer, title }: Page): Outcome {
  const told = tellRequest('GET', '/', answer, typeOf(answer))
  if (answer.status === 200 && typeOf(answer).startsWith('text/html') && /<\w/.test(answer.body)) {
    const name = title === undefined ? '' : `, "${shorten(title)}"`
    return done(`${told}, ${tellSize(answer.bytes)}${name}`)
  }
  return missing(told, 'put an index.html into the folder of the site')
}

/** Step 3: it is styled. */
export function css({ styles, hasInlineStyle }: Page): Outcome {
  const [style] = styles
  if (style !== undefined) {
    const { path, answer } = style
    return done(tellRequest('GET', path, answer, `${typeOf(answer)}, ${tellSize(answer.bytes)}`))
  }
  if (hasInlineStyle) return done('GET / has a style element')
  return missing(
    'the first page loads no stylesheet of the site, and has none in itself',
    'write one, such as main.css, and name it in the page: <link rel="stylesheet" href="/main.css">',
  )
}

/** Step 4: it is online, as files. */
export function staticSite({ answer }: Page, { kind, live, address }: Place): Outcome {
  const release = answer.headers['x-moka-release']
  const told = tellRequest('GET', '/', answer, `at ${address}`)
  if (answer.status !== 200) return missing(told, '`moka deploy` puts the site there')
  const edge = answer.headers['x-amz-cf-pop']
  if (kind === 'aws' && edge !== undefined)
    return done(`${told}, from CloudFront in ${String(edge)}`)
  if (release !== undefined) return done(`${told}, of release ${live ?? String(release)}`)
  return unknown(
    `${told}, and it does not say that a release of this project answers`,
    kind === 'aws' ? '`moka deploy --to aws`' : '`moka deploy`',
  )
}

/** Step 5: HTTPS. At home the certificate may be of the cloud's own authority, which is told. */
export async function https(place: Place): Promise<Outcome> {
  const { host } = place
  const way =
    place.kind === 'aws'
      ? '`moka doctor --to aws` looks at the certificate'
      : '`moka dev` has HTTPS by itself; `moka up` gets certificates with --acme-email'
  try {
    const { protocol, issuer, mismatch, isTrusted } = await place.handshake()
    if (mismatch !== undefined) return missing(shorten(mismatch), way)
    if (place.kind === 'aws' && !isTrusted) {
      return missing(`the certificate for ${host} is by "${issuer}", whom nobody knows`, way)
    }
    const trust = isTrusted ? 'publicly trusted' : 'of the cloud, for this machine alone'
    return done(`${protocol} with a certificate for ${host} by "${issuer}", ${trust}`)
  } catch (error) {
    return unknown(`no handshake with ${host}: ${reasonOf(error)}`, way)
  }
}

/** Step 6: a name of one's own leads there. */
export async function dns(place: Place, { domain }: Project): Promise<Outcome> {
  if (domain === undefined) {
    return missing('the project has no domain', "domain: 'example.org' in moka.config.ts")
  }
  const way =
    place.kind === 'aws'
      ? 'give your registrar the name servers that `moka doctor --to aws` tells'
      : 'deploy, and look whether the name server runs: `moka dev` and `moka up` print its address'
  try {
    const { addresses, server } = await place.resolve(domain)
    if (addresses.length > 0) return done(`${domain} A ${addresses.join(', ')}, says ${server}`)
    return missing(`${domain} has no address`, way)
  } catch (error) {
    return unknown(`${domain} was asked for: ${reasonOf(error)}`, way)
  }
}

/** Step 7: a script shows the count of visitors. */
export function javascript({ scripts, hasInlineScript, calls }: Page): Outcome {
  const [call] = calls
  if (call !== undefined) {
    return done(
      `${call.from === '/' ? 'a script in /' : call.from} asks ${call.method ?? ''} ${call.path}`.replace(
        '  ',
        ' ',
      ),
    )
  }
  const lacks =
    scripts.length > 0 || hasInlineScript
      ? 'the scripts of the first page ask no function of the project'
      : 'the first page loads no script'
  return missing(
    lacks,
    "let the page ask your function and show what it answers: fetch('/api/visits', { method: 'POST' })",
  )
}
