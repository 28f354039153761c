// What `npm start`, `npm test` and `npm run check` run. Needs Node alone: installs the packages
// and builds when they are not there or not current, then does what was asked. Of npm's own
// output nothing goes to stdout, which belongs to the result.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const [task, ...args] = process.argv.slice(2)

const [major, minor] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(
    `cannot run Mokapot on Node ${process.versions.node}: it needs 20.19 or newer\ntry: a newer Node from https://nodejs.org\n`,
  )
  process.exit(1)
}

install()
if (task === 'check') {
  run('scripts/check.mjs')
} else {
  build()
  if (task === 'test') run('scripts/test.mjs')
  else await start()
}

/** Installs when the lock file is newer than what was installed from it. */
function install() {
  const installed = join(root, 'node_modules/.package-lock.json')
  const stamp = join(root, 'node_modules/.mokapot-lock')
  const lock = readFileSync(join(root, 'package-lock.json'), 'utf8')
  if (existsSync(installed) && existsSync(stamp) && readFileSync(stamp, 'utf8') === lock) return
  process.stderr.write('installing packages …\n')
  const npm = process.env.npm_execpath
  const command = npm === undefined ? 'npm' : process.execPath
  execFileSync(command, [...(npm === undefined ? [] : [npm]), 'ci', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 2, 2],
  })
  writeFileSync(stamp, lock)
}

/** Builds when a source is newer than the last build. */
function build() {
  const stamp = join(root, 'dist/.built')
  const builtMs = existsSync(stamp) ? statSync(stamp).mtimeMs : 0
  const sources = ['src', 'scripts/build.mjs', 'tsconfig.json', 'tsconfig.build.json']
  if (Math.max(...sources.map(source => newestMs(join(root, source)))) <= builtMs) return
  process.stderr.write('building …\n')
  execFileSync(process.execPath, [join(root, 'scripts/build.mjs')], { stdio: ['ignore', 2, 2] })
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, '')
}

function newestMs(path) {
  const info = statSync(path)
  if (!info.isDirectory()) return info.mtimeMs
  return readdirSync(path).reduce(
    (newest, name) => Math.max(newest, newestMs(join(path, name))),
    info.mtimeMs,
  )
}

function run(script) {
  const { status, signal } = spawnSync(process.execPath, [join(root, script), ...args], {
    cwd: root,
    stdio: 'inherit',
  })
  process.exit(signal === null ? status : 1)
}

/** `moka dev` on the example, in this very process: one process less to start and to end. */
async function start() {
  process.chdir(join(root, 'examples/portfolio'))
  const main = join(root, 'dist/cli/main.js')
  process.argv = [process.argv[0], main, 'dev', ...args]
  await import(pathToFileURL(main).href)
}
