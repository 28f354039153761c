// `git push` of a plain site to a running `moka up`: from the command's start to its end, when the
// page that it brought is read back.
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { get } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** Milliseconds of each push, the first of which brings everything. */
export async function pushPlainSite(folder, { addresses }, { files, runs }) {
  const site = join(folder, 'pushed')
  await mkdir(join(site, 'dist'), { recursive: true })
  const git = (...args) => run('git', ['-C', site, ...args])
  const token = (await readFile(join(folder, 'token'), 'utf8')).trim()
  const url = new URL('/git/pushed.git', addresses.control)
  Object.assign(url, { username: 'moka', password: token })
  await git('init', '--quiet', '--initial-branch=main')
  await git('remote', 'add', 'home', url.href)
  const config = `export default { name: 'pushed', domain: 'pushed.example', site: { directory: 'dist' } }\n`
  await writeFile(join(site, 'moka.config.ts'), config)
  for (let index = 0; index < files; index++) {
    await writeFile(join(site, `dist/page-${index}.html`), `<p>Page ${index}</p>\n`.repeat(50))
  }
  const values = []
  for (let round = 0; round <= runs; round++) {
    await writeFile(join(site, 'dist/index.html'), `<p>Round ${round}</p>\n`)
    await git('add', '--all')
    await git('-c', 'user.name=b', '-c', 'user.email=b@b', 'commit', '--quiet', '-m', `${round}`)
    const startMs = performance.now()
    await git('push', '--quiet', 'home', 'main')
    values.push(performance.now() - startMs)
    const page = await readPage(addresses.site)
    if (page !== `<p>Round ${round}</p>\n`) throw new Error(`round ${round} is not live`)
  }
  return values
}

function readPage(site) {
  return new Promise((resolve, reject) => {
    get(site, { headers: { host: 'pushed.example' }, agent: false }, response =>
      text(response).then(resolve, reject),
    ).on('error', reject)
  })
}
