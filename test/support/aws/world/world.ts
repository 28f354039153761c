import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import {
  ListHostedZonesByNameCommand,
  ListResourceRecordSetsCommand,
  Route53Client,
} from '@aws-sdk/client-route-53'
import type { DnsRecord } from '../../../../src/dns/record.ts'
import { openDnsServer } from '../../../../src/dns/server.ts'
import { createZone } from '../../../../src/dns/zone/create-zone.ts'
import { systemClock } from '../../../../src/shared/clock.ts'
import { silentLogger } from '../../../../src/shared/logger.ts'
import { openLocalCa } from '../../../../src/tls/local-ca.ts'
import { clientOptions } from '../cloudformation/provider.ts'
import type { Aws } from '../start.ts'
import type { TestEdge } from '../test-edge.ts'

/** What a visitor of a project on AWS meets: its name, its certificate, CloudFront, and API Gateway behind it. */
export interface AwsWorld {
  /** Lets a command of the test find it, beside what is in `aws.env`. */
  env: Record<string, string>
  close(): Promise<void>
}

/**
 * Of a project that was deployed. Addresses of the domain are answered as far as the zone in Route 53
 * has alias records for it; the certificate is of an authority that the command trusts.
 */
export async function openAwsWorld(
  aws: Aws,
  edge: TestEdge,
  { domain, directory }: { domain: string; directory: string },
): Promise<AwsWorld> {
  const ca = await openLocalCa({ directory, clock: systemClock })
  const { chain, key } = await ca.certificateFor([domain])
  const server = createServer({ cert: chain, key }, (asked, response) => {
    const chunks: Buffer[] = []
    asked.on('data', (chunk: Buffer) => chunks.push(chunk))
    asked.on('end', () => {
      answer(aws, edge, asked.method ?? 'GET', asked.url ?? '/', Buffer.concat(chunks)).then(
        ({ status, headers, body }) => response.writeHead(status, headers).end(body),
        error => response.writeHead(502).end(String(error)),
      )
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const names = await openDnsServer({
    ...{ host: '127.0.0.1', port: 0, logger: silentLogger },
    zones: [
      createZone({
        ...{ origin: domain, nameServers: ['ns.test.'], serial: 1 },
        records: await readAddresses(aws, domain),
      }),
    ],
  })
  const hosts = { [`${domain}:443`]: (server.address() as AddressInfo).port }
  return {
    env: {
      MOKA_TEST_WORLD: JSON.stringify({ hosts, dns: `127.0.0.1:${names.port}` }),
      NODE_EXTRA_CA_CERTS: ca.certificatePath,
      NODE_OPTIONS: `${aws.env.NODE_OPTIONS} --import=${new URL('names.mjs', import.meta.url).href}`,
    },
    async close() {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
      await names.close()
    },
  }
}

interface Made {
  status: number
  headers: Record<string, string>
  body: Buffer
}

/** CloudFront asks API Gateway for paths that a function has, and its files for all others. */
async function answer(
  aws: Aws,
  edge: TestEdge,
  method: string,
  url: string,
  body: Buffer,
): Promise<Made> {
  const [path = '/', query = ''] = url.split('?')
  const invoked = await findFunction(aws, method, path)
  if (invoked === undefined) {
    const found = await fetch(new URL(url, edge.address), { method, redirect: 'manual' })
    const bytes = Buffer.from(await found.arrayBuffer())
    return { status: found.status, headers: Object.fromEntries(found.headers), body: bytes }
  }
  const { name, qualifier, routeKey } = invoked
  const event = {
    ...{ version: '2.0', routeKey, rawPath: path, rawQueryString: query, headers: {} },
    ...{
      requestContext: { http: { method, path, sourceIp: '127.0.0.1' } },
      isBase64Encoded: false,
    },
    ...(body.length > 0 && { body: String(body) }),
  }
  const answered = await fetch(
    `${aws.endpoint}/2015-03-31/functions/${name}/invocations?Qualifier=${qualifier}`,
    { method: 'POST', headers: signature('lambda'), body: JSON.stringify(event) },
  )
  const result = (await answered.json()) as {
    statusCode?: number
    headers?: Record<string, string>
    body?: string
  }
  const { statusCode = 502, headers = {}, body: text = JSON.stringify(result) } = result
  return { status: statusCode, headers, body: Buffer.from(text) }
}

/** The route of the HTTP API that is the path's, and what it invokes, as the stack has made them. */
async function findFunction(
  aws: Aws,
  method: string,
  path: string,
): Promise<{ name: string; qualifier: string; routeKey: string } | undefined> {
  for (const { apiId } of await listGateway<{ apiId: string }>(aws, '/v2/apis')) {
    const routes = await listGateway<{ routeKey: string; target?: string }>(
      aws,
      `/v2/apis/${apiId}/routes`,
    )
    const route = routes.find(({ routeKey }) => holds(routeKey, method, path))
    if (route === undefined) continue
    const integrations = await listGateway<{ integrationId: string; integrationUri: string }>(
      aws,
      `/v2/apis/${apiId}/integrations`,
    )
    const { integrationUri = '' } =
      integrations.find(each => `integrations/${each.integrationId}` === route.target) ?? {}
    const [, name = '', qualifier = '$LATEST'] =
      /:function:([^:/]+)(?::([^/]+))?/.exec(integrationUri) ?? []
    return { name, qualifier, routeKey: route.routeKey }
  }
  return undefined
}

function holds(routeKey: string, method: string, path: string): boolean {
  const [verb, pattern = ''] = routeKey.split(' ')
  if (verb !== 'ANY' && verb !== method) return false
  const [beginning] = pattern.split('{proxy+}')
  return pattern === path || (pattern.endsWith('{proxy+}') && path.startsWith(beginning!))
}

async function listGateway<T>(aws: Aws, path: string): Promise<T[]> {
  const answered = await fetch(`${aws.endpoint}${path}`, { headers: signature('apigateway') })
  return ((await answered.json()) as { items: T[] }).items
}

/** moto reads of a signature what service is meant, and no more. */
const signature = (service: string) => ({
  authorization: `AWS4-HMAC-SHA256 Credential=AKIATEST/20260101/eu-central-1/${service}/aws4_request, SignedHeaders=host, Signature=0`,
})

/** Names with an alias of CloudFront's: they are where the test's server is. */
async function readAddresses(aws: Aws, domain: string): Promise<DnsRecord[]> {
  const route53 = new Route53Client(clientOptions({ moto: aws.motoEndpoint, region: 'us-east-1' }))
  const { HostedZones = [] } = await route53.send(
    new ListHostedZonesByNameCommand({ DNSName: domain }),
  )
  const zone = HostedZones.find(({ Name }) => Name === `${domain}.`)
  if (zone === undefined) return []
  const { ResourceRecordSets = [] } = await route53.send(
    new ListResourceRecordSetsCommand({ HostedZoneId: zone.Id }),
  )
  return ResourceRecordSets.filter(
    ({ Type, AliasTarget }) =>
      Type === 'A' && AliasTarget?.DNSName?.replace(/\.$/, '').endsWith('cloudfront.net'),
  ).map(({ Name = '' }) => ({
    name: Name === `${domain}.` ? '@' : Name.slice(0, -domain.length - 2),
    ...{ type: 'A' as const, value: '127.0.0.1' },
  }))
}
