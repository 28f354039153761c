import { dirname, extname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { withEsbuild } from '../../../../../config/with-esbuild.ts'

const HERE = fileURLToPath(import.meta.url)
const bundles = new Map<string, Promise<Uint8Array>>()

/** A module of the folder `lambda`, with everything it imports, in one file for Node on Lambda. */
export function bundleForLambda(name: string): Promise<Uint8Array> {
  const known = bundles.get(name)
  if (known !== undefined) return known
  const bundle = withEsbuild(async ({ build }) => {
    const result = await build({
      // Where it runs from source these are TypeScript, and compiled ones where it is installed.
      entryPoints: [join(dirname(HERE), '..', 'lambda', `${name}${extname(HERE)}`)],
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node22',
      minify: true,
      legalComments: 'none',
      write: false,
      logLevel: 'silent',
    })
    return result.outputFiles[0]!.contents
  })
  bundles.set(name, bundle)
  bundle.catch(() => bundles.delete(name))
  return bundle
}
