import type { Project } from '../../../../../../config/project.ts'
import { type CaaRules, findCaa, parseIssuer } from '../../../../../doctor/dns/caa.ts'
import type { Check, Found } from '../../../../../doctor/finding.ts'
import type { AwsContext } from '../../context.ts'

/** Any of them lets ACM issue: https://docs.aws.amazon.com/acm/latest/userguide/setup-caa.html */
const AMAZON = ['amazon.com', 'amazontrust.com', 'awstrust.com', 'amazonaws.com']

/** Whether a CAA record keeps ACM from issuing, where it stands now and in the zone to come. */
export function caaCheck(aws: AwsContext, names: readonly string[]): Check {
  const { domain } = aws.project
  return {
    name: 'CAA',
    async run(signal) {
      const own = ownRules(aws.project)
      if (own !== undefined) return describeRules([own], names)
      const found = await Promise.all(names.map(name => findCaa(aws.dns, name, signal)))
      const rules = found.filter(each => each !== undefined)
      const described = describeRules(rules, names)
      if (described.level === 'ok' || !(await isStillElsewhere(aws))) return described
      // Records of the domain itself stay behind at the servers that it leaves.
      const above = describeRules(
        rules.filter(({ at }) => at !== domain && !at.endsWith(`.${domain}`)),
        names,
      )
      if (above.level !== 'ok') return above
      const why = 'it stays behind when the domain is delegated to its new hosted zone'
      return { level: 'note', what: described.what, why }
    },
  }
}

/** The zone that answers today is not the one that the site will have. */
async function isStillElsewhere(aws: AwsContext): Promise<boolean> {
  if (aws.project.aws.hostedZoneId !== undefined) return false
  return (await aws.stack('domain').catch(() => undefined)) === undefined
}

/** Records of the configuration are those of the zone once it is made. */
function ownRules({ dnsRecords, domain = '' }: Project): CaaRules | undefined {
  const values = dnsRecords
    .filter(({ name, type }) => type === 'CAA' && (name === '@' || name === `${domain}.`))
    .flatMap(({ value }) => value)
  if (values.length === 0) return undefined
  // `0 issue "letsencrypt.org"`
  const issuers = values.flatMap(value => {
    const [, issuer] = /^\d+\s+issue\s+"?([^"]*)"?$/i.exec(value.trim()) ?? []
    return issuer === undefined ? [] : [parseIssuer(issuer)]
  })
  return { at: `\`dns.records\` of ${domain}`, issuers }
}

export function describeRules(rules: readonly CaaRules[], names: readonly string[]): Found {
  const forbidding = rules.find(
    ({ issuers }) => issuers.length > 0 && !issuers.some(issuer => AMAZON.includes(issuer)),
  )
  if (forbidding === undefined) {
    const isOpen = rules.every(({ issuers }) => issuers.length === 0)
    return {
      level: 'ok',
      what: isOpen
        ? `no record limits who issues certificates for ${names[0]}`
        : `Amazon may issue certificates for ${names[0]}`,
    }
  }
  const allowed = forbidding.issuers.filter(issuer => issuer !== '')
  const who = allowed.length === 0 ? 'nobody' : allowed.join(', ')
  return {
    level: 'problem',
    what: `a CAA record at ${forbidding.at} lets ${who} issue certificates, and Amazon not`,
    why: 'the certificate of the site fails with CAA_ERROR, and CloudFront has none',
    fix: 'add the record: 0 issue "amazon.com"',
  }
}
