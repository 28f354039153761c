import { expect, test } from 'vitest'
import { projectAddress } from './project-address.ts'

const status = (site: string, projects: string[]) => ({
  addresses: { site, control: 'http://127.0.0.1:8081' },
  projects,
})

test.each([
  ['http://127.0.0.1:8080', [], 'http://127.0.0.1:8080'],
  ['http://127.0.0.1:8080', ['shop'], 'http://127.0.0.1:8080'],
  ['http://127.0.0.1:8080', ['blog'], 'http://shop.localhost:8080'],
  ['http://127.0.0.1:80', ['blog', 'shop'], 'http://shop.localhost'],
  ['http://[::1]:8080', ['blog', 'shop'], 'http://shop.localhost:8080'],
  ['http://192.0.2.7:8080', ['blog', 'shop'], 'http://192.0.2.7:8080'],
])('at %s beside %j a project answers at %s', (site, projects, address) => {
  expect(projectAddress(status(site, projects), 'shop')).toBe(address)
})
