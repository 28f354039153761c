import { expect, it } from 'vitest'
import type { PublishRequest } from './cloud-api.ts'
import { DeployTokens, requireDeploy, requirePublish } from './deploy-tokens.ts'

it('knows a token until it is revoked', () => {
  const tokens = new DeployTokens()
  const { token, revoke } = tokens.grant('shop')
  expect(tokens.of(token)).toEqual({ project: 'shop', onlyPreviews: false })
  expect(tokens.of(`${token}x`)).toBe(undefined)
  expect(tokens.of('')).toBe(undefined)
  revoke()
  expect(tokens.of(token)).toBe(undefined)
})

it.each([
  ['GET', '/v1/status'],
  ['POST', '/v1/missing'],
  ['POST', '/v1/blobs'],
  ['POST', `/v1/blobs/${'a'.repeat(64)}/join`],
  ['POST', '/v1/releases'],
  ['GET', '/v1/projects/shop/live'],
  ['GET', '/v1/projects/shop/previews/menu'],
  ['POST', '/v1/projects/shop/build-secrets'],
  ['GET', '/v1/projects/shop/previews/menu'],
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
  ['DELETE', '/v1/projects/shop/previews/menu', 'CONTROL_DEPLOY_ONLY'],
  ['GET', '/v1/projects/other/live', 'CONTROL_OTHER_PROJECT'],
  ['GET', '/v1/projects/other/previews/menu', 'CONTROL_OTHER_PROJECT'],
  ['DELETE', '/v1/projects/shop/previews/menu', 'CONTROL_DEPLOY_ONLY'],
])('refuses %s %s', (method, path, code) => {
  expect(() => requireDeploy(method, path, 'shop')).toThrow(expect.objectContaining({ code }))
})

const request = (project: string, preview?: { name: string }) => ({
  draft: { project } as PublishRequest['draft'],
  ...(preview && { preview }),
})

it('refuses a release of another project, and says where that goes', () => {
  const grant = { project: 'shop', onlyPreviews: false }
  expect(() => requirePublish(request('other'), grant)).toThrow(
    'cannot deploy project "other": this deploy is for project "shop"',
  )
  expect(() => requirePublish(request('shop'), grant)).not.toThrow()
})

it('makes nothing live with a token for previews', () => {
  const grant = { project: 'shop', onlyPreviews: true }
  expect(() => requirePublish(request('shop'), grant)).toThrow(/this deploy is for a preview/)
  expect(() => requirePublish(request('shop', { name: 'menu' }), grant)).not.toThrow()
})
