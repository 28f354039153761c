import type { Project } from '../../../../../config/project.ts'
import { missingSecret } from '../functions/function-environment.ts'
import { SecretParameters } from './secret-parameters.ts'

/**
 * Throws `AWS_SECRET_MISSING` for the first secret of a function that is not set, so that a deploy
 * which cannot publish that function changes nothing before it fails.
 */
export async function requireSecrets({ name, aws, functions }: Project): Promise<void> {
  const wanted = functions.flatMap(each =>
    (each.secrets ?? []).map(secret => ({ secret, function: each.name })),
  )
  if (wanted.length === 0) return
  const parameters = await SecretParameters.open(name, aws.region)
  const set = new Set((await parameters.list()).map(secret => secret.name))
  const missing = wanted.find(({ secret }) => !set.has(secret))
  if (missing !== undefined) throw missingSecret(missing.function, missing.secret)
}
