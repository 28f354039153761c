import type {
  ACMClient,
  CertificateDetail,
  CertificateSummary,
  KeyAlgorithm,
} from '@aws-sdk/client-acm'
import { look, plainName } from '../../../../../doctor/dns/view.ts'
import type { Check, Found } from '../../../../../doctor/finding.ts'
import { listNames } from '../../../../../doctor/finding.ts'
import { sdk } from '../../../sdk/sdk.ts'
import { GLOBAL_REGION } from '../../../stack/names.ts'
import { type AwsContext, output } from '../../context.ts'

/** Without naming them ACM lists certificates with RSA keys up to 2048 bits alone. */
const KEY_TYPES: KeyAlgorithm[] = [
  ...(['RSA_1024', 'RSA_2048', 'RSA_3072', 'RSA_4096'] as const),
  ...(['EC_prime256v1', 'EC_secp384r1', 'EC_secp521r1'] as const),
]

/** What us-east-1 has for the domain: CloudFront takes certificates from nowhere else. */
export function certificateCheck(aws: AwsContext, names: readonly string[]): Check {
  return {
    name: 'certificate',
    async run(signal) {
      const { ACMClient } = await sdk.acm()
      const client = new ACMClient(await aws.config(GLOBAL_REGION))
      const own = output(await aws.stack('domain').catch(() => undefined), 'CertificateArn')
      const summaries = await listFor(client, names, signal)
      const chosen = summaries.find(each => each.CertificateArn === own) ?? newest(summaries)
      if (chosen === undefined) {
        const what = `none for ${names[0]} yet; the first deploy makes one in ${GLOBAL_REGION}`
        return { level: 'ok', what }
      }
      const detail = await describe(client, chosen, signal)
      const isOwn = chosen.CertificateArn === own || own === undefined
      const missing = await missingRecords(aws, detail, signal)
      return describeCertificate(detail, names, isOwn, missing)
    },
  }
}

async function listFor(
  client: ACMClient,
  names: readonly string[],
  signal: AbortSignal,
): Promise<CertificateSummary[]> {
  const { ListCertificatesCommand } = await sdk.acm()
  const { CertificateSummaryList = [] } = await client.send(
    new ListCertificatesCommand({ MaxItems: 1000, Includes: { keyTypes: KEY_TYPES } }),
    { abortSignal: signal },
  )
  return CertificateSummaryList.filter(
    ({ DomainName = '', SubjectAlternativeNameSummaries: others = [] }) =>
      names.some(name => covers([DomainName, ...others], name)),
  )
}

async function describe(
  client: ACMClient,
  { CertificateArn }: CertificateSummary,
  signal: AbortSignal,
): Promise<CertificateDetail> {
  const { DescribeCertificateCommand } = await sdk.acm()
  const asked = new DescribeCertificateCommand({ CertificateArn })
  return (await client.send(asked, { abortSignal: signal })).Certificate ?? {}
}

/** Validation records that nobody finds; undefined where DNS does not answer. */
async function missingRecords(
  aws: AwsContext,
  { Status, DomainValidationOptions = [] }: CertificateDetail,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  if (Status !== 'PENDING_VALIDATION') return []
  const records = new Map(
    DomainValidationOptions.flatMap(({ ResourceRecord: record }) =>
      record?.Name === undefined ? [] : [[plainName(record.Name), plainName(record.Value ?? '')]],
    ),
  )
  try {
    const missing = await Promise.all(
      [...records].map(async ([name, value]) => {
        const looked = await look(aws.dns, name, 'CNAME', signal)
        const isThere =
          looked.kind === 'records' &&
          looked.data.some(data => 'target' in data && plainName(data.target) === value)
        return isThere ? [] : [`${name} CNAME ${value}`]
      }),
    )
    return missing.flat()
  } catch {
    return undefined
  }
}

export function describeCertificate(
  {
    Status: status,
    NotAfter,
    FailureReason,
    DomainName,
    SubjectAlternativeNames,
  }: CertificateDetail,
  names: readonly string[],
  isOwn: boolean,
  missing: readonly string[] | undefined,
): Found {
  const uncovered = names.filter(
    name => !covers([DomainName ?? '', ...(SubjectAlternativeNames ?? [])], name),
  )
  if (status === 'ISSUED') {
    const until = NotAfter === undefined ? '' : ` until ${NotAfter.toISOString().slice(0, 10)}`
    const part = uncovered.length === 0 ? '' : `, without ${listNames(uncovered)}`
    const what = `issued in ${GLOBAL_REGION} for ${names[0]}${part}${until}`
    return { level: 'ok', what: isOwn ? what : `${what}, besides the one of the stack` }
  }
  if (status === 'PENDING_VALIDATION') {
    const isAllThere = missing?.length === 0
    return {
      level: 'note',
      what: `waits in ${GLOBAL_REGION} for its validation`,
      why: isAllThere
        ? 'its records are there: ACM looks for them every few minutes'
        : 'ACM has to find a record in the zone, which it does when the domain is delegated to it; a deploy waits for that',
      ...(missing !== undefined && missing.length > 0
        ? { fix: `set the name servers (delegation); the records: ${missing.join('; ')}` }
        : {}),
    }
  }
  const reason = FailureReason === undefined ? '' : `: ${FailureReason}`
  return {
    level: 'note',
    what: `an earlier one in ${GLOBAL_REGION} is ${status}${reason}`,
    why: 'a new one is made, and meets the same cause where that is not mended',
    fix: `${FailureReason === 'CAA_ERROR' ? 'mend the CAA record' : 'mend the delegation'}; https://docs.aws.amazon.com/acm/latest/userguide/certificate-validation.html`,
  }
}

/** A wildcard stands for one label. */
export function covers(patterns: readonly string[], name: string): boolean {
  const wild = name.replace(/^[^.]+/, '*')
  return patterns.some(pattern => plainName(pattern) === name || plainName(pattern) === wild)
}

function newest(summaries: readonly CertificateSummary[]): CertificateSummary | undefined {
  const time = ({ CreatedAt }: CertificateSummary) => CreatedAt?.getTime() ?? 0
  const issued = summaries.filter(({ Status }) => Status === 'ISSUED')
  return [...(issued.length > 0 ? issued : summaries)].sort((a, b) => time(b) - time(a))[0]
}
