/** Codes that are in use elsewhere, and what ISO 3166-1 has. */
export const MISTAKEN_COUNTRIES: Readonly<Record<string, string>> = { UK: 'GB', EL: 'GR', EN: 'GB' }

/** What to write where there is nothing, or something of another type. */
const EXAMPLES: Readonly<Record<string, string>> = {
  behaviors: "behaviors: [{ pattern: '/api/*', origin: 'site' }]",
  origins: "origins: { app: { url: 'https://app.example' } }",
  signingKeys: "signingKeys: { 'key-1': 'keys/public.pem' }",
  pattern: "pattern: '/api/*'",
  origin: "a name in origins, or 'site' for the project's own files and functions",
  url: "url: 'https://app.example'",
  rateLimit: "rateLimit: '5/minute'",
  cache: 'cache: { maxTtlSeconds: 0 } asks the origin each time',
  errorPages: "errorPages: [{ status: 502, page: '/errors/502.html' }]",
  hsts: 'hsts: { maxAgeSeconds: 300 }, and more when all works',
  set: "set: { 'X-Name': 'value' }",
  add: "add: { 'X-Name': 'value' }",
}

/** The value that a wrong one of origins, behaviors, keys or HSTS was probably meant to be. */
export function suggestForEdge(field: string, key: string, input: unknown): string | undefined {
  if (!/^(?:origins|behaviors|signingKeys|hsts)(?:\.|$)/.test(field)) return undefined
  const last = field.split('.').slice(-2).join('.')
  if (key === 'methods') return suggestMethods(input)
  if (field === 'hsts.maxAgeSeconds' && input === undefined) return 'maxAgeSeconds: 300'
  if (/(?:forward|key)\.(?:query|cookies|headers)$|^\d+\.countries$/.test(last)) {
    return isTexts(input) ? `${key}: { only: ${showTexts(input)} }` : undefined
  }
  if (typeof input !== 'string')
    return /^origins\..*\.headers$/.test(field) ? SECRET : EXAMPLES[key]
  return suggestForText(field, key, input) ?? suggestList(key, input)
}

const SECRET = "headers: { 'X-Edge': 'value' }"

function suggestForText(field: string, key: string, input: string): string | undefined {
  if (field === 'origins.site') return 'give it another name'
  if (/^origins\.[^.]+$/.test(field)) return `${key}: { url: '${withScheme(input)}' }`
  if (/^behaviors\.\d+$/.test(field)) return `{ pattern: '${input}', origin: 'site' }`
  if (/^origins\.[^.]+\.host$/.test(field)) return `host: { name: '${input}' }`
  if (/^origins\.[^.]+\.headers\.host$/i.test(field)) return "host: { name: 'app.internal' }"
  if (key === 'url' && !/^https?:/.test(input)) return `"${withScheme(input)}"`
  if (key === 'pattern' && URL.canParse(input)) return `"${new URL(input).pathname}"`
  if (!/\.countries\.(?:only|allBut)\.\d+$/.test(field)) return undefined
  const code = input.toUpperCase()
  return /^[A-Z]{2}$/.test(code) ? `"${MISTAKEN_COUNTRIES[code] ?? code}"` : undefined
}

const LISTS: ReadonlySet<string> = new Set(['remove', 'signedBy', 'only', 'allBut'])

function suggestList(key: string, input: string): string | undefined {
  return LISTS.has(key) ? `${key}: ${showTexts([input])}` : undefined
}

function suggestMethods(input: unknown): string {
  const methods = [input].flat().map(method => String(method).toUpperCase())
  const isRead = methods.every(method => /^(?:GET|HEAD)$/.test(method))
  const isAsking = methods.every(method => /^(?:GET|HEAD|OPTIONS)$/.test(method))
  return `methods: '${isRead ? 'read' : isAsking ? 'read-and-options' : 'all'}'`
}

function withScheme(address: string): string {
  return /^https?:\/\//.test(address) ? address : `https://${address.replace(/^[a-z]*:?\/\//i, '')}`
}

function isTexts(input: unknown): input is string[] {
  return Array.isArray(input) && input.every(item => typeof item === 'string')
}

function showTexts(texts: readonly string[]): string {
  return `[${texts.map(text => `'${text}'`).join(', ')}]`
}
