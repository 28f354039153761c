import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { sampleProject } from '../targets/aws/template/sample.contract.ts'
import { openAwsPlace } from './aws-place.ts'
import { readPage } from './page.ts'
import { infrastructure } from './project-steps.ts'
import { https, staticSite } from './site-steps.ts'

let server: Server
let address: string

beforeAll(async () => {
  server = createServer((_request, response) => {
    response.setHeader('content-type', 'text/html')
    response.setHeader('x-amz-cf-pop', 'FRA56-P1')
    response.end('<h1>Ann</h1>')
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(() => {
  server.close()
})

it('asks the distribution of a project without a domain', async () => {
  const project = sampleProject()
  const place = await openAwsPlace(project, address)
  try {
    const page = await readPage(place, undefined)
    expect(staticSite(page, place)).toEqual({
      kind: 'done',
      evidence: `GET / → 200, at ${address}, from CloudFront in FRA56-P1`,
    })
    expect(await https(place)).toMatchObject({ kind: 'unknown' })
  } finally {
    place.close()
  }
})

it('has nobody to ask before there is a distribution, and shows the template', async () => {
  const project = sampleProject()
  const place = await openAwsPlace(project)
  await expect(place.ask('/')).rejects.toThrow('nothing serves it')
  expect(infrastructure(place, project)).toMatchObject({
    kind: 'done',
    evidence: expect.stringMatching(/the template of \d+ resources that `moka export/),
  })
  place.close()
})
