import { expect, it } from 'vitest'
import { DeployTokens, requireDeploy, requireProject } from './deploy-tokens.ts'

it('knows a token until it is revoked', () => {
  const tokens = new DeployTokens()
  const { token, revoke } = tokens.grant('shop')
  expect(tokens.projectOf(token)).toBe('shop')
  expect(tokens.projectOf(`${token}x`)).toBe(undefined)
  expect(tokens.projectOf('')).toBe(undefined)
  revoke()
  expect(tokens.projectOf(token)).toBe(undefined)
})

it.each([
  ['GET', '/v1/status'],
  ['POST', '/v1/missing'],
  ['POST', '/v1/blobs'],
  ['POST', '/v1/releases'],
  ['GET', '/v1/projects/shop/live'],
  ['POST', '/v1/projects/shop/build-secrets'],
])('allows what a deploy asks: %s %s', (method, path) => {
  expect(() => requireDeploy(method, path, 'shop')).not.toThrow()
})

it.each([
  ['GET', '/metrics', 'CONTROL_DEPLOY_ONLY'],
  ['GET', '/v1/projects/shop/environment', 'CONTROL_DEPLOY_ONLY'],
  ['POST', '/v1/projects/shop/rollback', 'CONTROL_DEPLOY_ONLY'],
  ['POST', '/v1/projects/shop/functions/pay/invoke', 'CONTROL_DEPLOY_ONLY'],
  ['DELETE', '/v1/releases', 'CONTROL_DEPLOY_ONLY'],
  ['POST', '/v1/projects/shop/live', 'CONTROL_DEPLOY_ONLY'],
  ['GET', '/v1/projects/shop/secrets', 'CONTROL_DEPLOY_ONLY'],
  ['PUT', '/v1/projects/shop/secrets/KEY', 'CONTROL_DEPLOY_ONLY'],
  ['DELETE', '/v1/projects/shop/secrets/KEY', 'CONTROL_DEPLOY_ONLY'],
  ['POST', '/v1/projects/other/build-secrets', 'CONTROL_OTHER_PROJECT'],
  ['GET', '/v1/projects/other/live', 'CONTROL_OTHER_PROJECT'],
])('refuses %s %s', (method, path, code) => {
  expect(() => requireDeploy(method, path, 'shop')).toThrow(expect.objectContaining({ code }))
})

it('refuses a release of another project, and says where that goes', () => {
  expect(() => requireProject('other', 'shop')).toThrow(
    'cannot deploy project "other": this deploy is for project "shop"',
  )
})
