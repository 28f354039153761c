import { MokaError } from '../../../../../shared/errors.ts'
import { type DnsView, look } from '../../../../doctor/dns/view.ts'
import { isSigned } from './delete-zone.ts'

/**
 * Throws `AWS_DS_REMAINS` while the registrar tells resolvers that the zone is signed: without it,
 * whoever checks signatures would find nothing of the domain, under whatever name servers it gets.
 */
export async function refuseWhileSigned(zone: string, domain: string, dns: DnsView): Promise<void> {
  if (!(await isSigned(zone))) return
  const looked = await look(dns, domain, 'DS')
  if (looked.kind !== 'records') return
  throw new MokaError(
    'AWS_DS_REMAINS',
    `cannot delete zone "${zone}": the registrar of ${domain} still has a DS record, by which resolvers expect signatures`,
    {
      hint: 'take the DS record (DNSSEC) away at the registrar, wait a day for what resolvers remember of it, then destroy again',
    },
  )
}
