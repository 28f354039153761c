/** Keys whose makers gave them a form of their own, so that they are known when they are seen. */
const KEYS: readonly (readonly [what: string, pattern: RegExp])[] = [
  ['an AWS access key', /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/],
  ['a private key', /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/],
  ['a GitHub token', /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{50,})\b/],
  ['a GitLab token', /\bglpat-[\w-]{20,}/],
  ['a Slack token', /\bxox[abprs]-[A-Za-z0-9-]{20,}/],
  ['a Stripe secret key', /\b[rs]k_live_[A-Za-z0-9]{20,}\b/],
  ['an npm token', /\bnpm_[A-Za-z0-9]{36}\b/],
  ['an OpenAI or Anthropic key', /\bsk-(?:ant-|proj-)[\w-]{32,}/],
  [
    'a database address with its password',
    /\b(?:postgres(?:ql)?|mysql|mongodb(?:\+srv)?):\/\/[^\s:/@"']+:[^\s/@"'<{$]+@[^\s"'<]+/,
  ],
]

/** AWS's own example, in every guide. */
const EXAMPLES = /EXAMPLE|localhost|127\.0\.0\.1/

/** What in a text looks like a key that nobody should see: its kind and its line, 1 the first. */
export function findSecrets(text: string): { what: string; line: number }[] {
  return KEYS.flatMap(([what, pattern]) => {
    const found = pattern.exec(text)
    if (found === null || EXAMPLES.test(found[0])) return []
    return [{ what, line: text.slice(0, found.index).split('\n').length }]
  })
}
