// The tests' account of AWS: moto with a stand-in for what it lacks, and a CloudFront of one project.
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { build } from 'esbuild'
import { ROOT } from './cloud.mjs'

/** What tests have in TypeScript, bundled for this process. */
export async function loadTestAws() {
  const resolveDir = join(ROOT, 'test/support/aws')
  // It stands beside its sources, for they find files of their own from there.
  const outfile = join(resolveDir, `.bundle-${process.pid}.mjs`)
  await build({
    stdin: {
      contents: ['start', 'test-edge', 'proxy', 'faults']
        .map(name => `export * from './${name}.ts'\n`)
        .join(''),
      ...{ resolveDir, loader: 'ts' },
    },
    ...{ outfile, bundle: true, packages: 'external', platform: 'node', format: 'esm' },
    logLevel: 'error',
  })
  try {
    return await import(outfile)
  } finally {
    await rm(outfile, { force: true })
  }
}
