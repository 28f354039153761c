import { execFile } from 'node:child_process'
import { expect, test } from 'vitest'
import { inTurn } from './turn.ts'

/** A promise that is settled from outside. */
function gate(): { opened: Promise<void>; open(): void } {
  let open = () => {}
  const opened = new Promise<void>(resolve => {
    open = resolve
  })
  return { opened, open }
}

const folder = (name: string) => `/nowhere/${process.pid}/${name}`

test('work for one folder is done one after the other, and who waits is told once', async () => {
  const log: string[] = []
  const first = gate()
  const isWaiting = gate()
  const one = inTurn(
    folder('a'),
    async () => {
      log.push('one begins')
      await first.opened
      log.push('one ends')
    },
    () => log.push('one waits'),
  )
  const two = inTurn(
    folder('a'),
    async () => void log.push('two begins'),
    () => {
      log.push('two waits')
      isWaiting.open()
    },
  )
  await isWaiting.opened
  first.open()
  await Promise.all([one, two])
  expect(log).toEqual(['one begins', 'two waits', 'one ends', 'two begins'])
})

test('work for another folder does not wait', async () => {
  const first = gate()
  const one = inTurn(folder('b'), () => first.opened, expect.unreachable)
  expect(await inTurn(folder('c'), async () => 'done', expect.unreachable)).toBe('done')
  first.open()
  await one
})

test('work that fails lets the next one begin', async () => {
  const failing = inTurn(folder('d'), () => Promise.reject(new Error('no')), expect.unreachable)
  await expect(failing).rejects.toThrow('no')
  expect(await inTurn(folder('d'), async () => 'done', expect.unreachable)).toBe('done')
})

test('a process that is killed lets the next one begin', async () => {
  const script = `
    const { inTurn } = await import(${JSON.stringify(new URL('./turn.ts', import.meta.url).href)})
    await inTurn(${JSON.stringify(folder('e'))}, () => { console.log('begun'); return new Promise(resolve => setTimeout(resolve, 60_000)) }, () => {})`
  const esbuild = await import('esbuild')
  const { outputFiles } = await esbuild.build({
    stdin: { contents: script, resolveDir: import.meta.dirname },
    bundle: true,
    format: 'esm',
    platform: 'node',
    write: false,
    plugins: [
      {
        name: 'file-urls',
        setup: ({ onResolve }) => {
          onResolve({ filter: /^file:/ }, ({ path }) => ({ path: new URL(path).pathname }))
        },
      },
    ],
  })
  const child = execFile(process.execPath, ['--input-type=module'])
  child.stdin?.end(outputFiles[0]!.text)
  await new Promise(resolve => child.stdout?.once('data', resolve))
  const killed = gate()
  const next = inTurn(folder('e'), async () => 'done', killed.open)
  await killed.opened
  child.kill('SIGKILL')
  expect(await next).toBe('done')
})
