import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { RecordedCall } from '../../../src/deploy/targets/aws/viewer/testing/function-runtime.ts'
import { findOnPath } from '../../../src/shared/tied-process.ts'
import type { CloudFront } from './cloudfront.ts'

// njs (Debian: `apt install njs`) is the JavaScript of nginx, which CloudFront's runtime resembles to the
// wording of its manual: the same modules, the same features, the same gaps.

/** Where it is; undefined where it is not. */
export const NJS = findOnPath('njs')

/** Makes every call that the functions of a distribution had once more, in njs: what came, and what comes. */
export function replayInNjs({ calls, store }: Pick<CloudFront, 'calls' | 'store'>) {
  const directory = mkdtempSync(join(tmpdir(), 'moka-njs-'))
  try {
    return [...calls].flatMap(([code, made]) => {
      const file = join(directory, 'program.js')
      writeFileSync(file, program(code, store, made))
      const printed = execFileSync(NJS!, [file], { encoding: 'utf8', timeout: 30_000 })
      const results = made.map(() => '')
      for (const line of printed.trimEnd().split('\n')) {
        const [, index = '0', piece = line] = /^(\d+) (.*)$/.exec(line) ?? []
        results[Number(index)] += piece
      }
      return made.map((call, index) => ({ ...call, inNjs: results[index]! }))
    })
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

/** A program that makes the calls one after another and prints what each gives. */
function program(
  code: string,
  store: ReadonlyMap<string, string>,
  calls: readonly RecordedCall[],
): string {
  const stub = `const STORE = ${JSON.stringify(Object.fromEntries(store))}
const cloudfront = { selectRequestOriginById: () => {}, kvs: () => ({
  get: async function (key) {
    if (STORE[key] === undefined) throw new Error('no key ' + key)
    return STORE[key]
  },
}) }
`
  const imports = [...code.matchAll(/import (\S+) ?from ?"(\w+)";/g)]
  const bare = imports.reduce((text, [line]) => text.replace(line, ''), code)
  const named = (module: string) => imports.find(([, , from]) => from === module)?.[1]
  const crypto = named('crypto')
  const handle = named('cloudfront')
  return `${crypto === undefined ? '' : `import ${crypto} from 'crypto'\n`}${stub}
${handle === undefined ? '' : `const ${handle} = cloudfront\n`}${bare}
const CALLS = ${JSON.stringify(calls.map(({ event, query }) => ({ event, query })))}
async function all() {
  for (let i = 0; i < CALLS.length; i++) {
    const event = JSON.parse(CALLS[i].event)
    event.request.rawQueryString = () => CALLS[i].query
    const result = await handler(event)
    // It prints 2,048 bytes of a line.
    const text = JSON.stringify(result)
    for (let at = 0; at < text.length; at += 400) console.log(i + ' ' + text.slice(at, at + 400))
  }
}
all().catch(error => console.log('failed: ' + error))
`
}
