// What `npm start`, `npm test` and `npm run check` run. Needs Node alone: installs the packages
// and builds when they are not there or not current, then does what was asked. Of npm's own
// output nothing goes to stdout, which belongs to the result.
import { spawnSync } from 'node:child_process'
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
  process.stderr.write('installing packages, once: this takes 10 s to a minute …\n')
  const npm = process.env.npm_execpath
  const [command, ...first] = npm === undefined ? ['npm'] : [process.execPath, npm]
  // Not `npm ci`, which refuses a lock file that lacks packages of platforms other than this one.
  execute(command, [...first, 'install', '--no-save', '--loglevel=error'], {
    doing: 'install the packages',
    hint: 'see what npm says above; it needs the network this once',
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
  execute(process.execPath, [join(root, 'scripts/build.mjs')], {
    doing: 'build',
    hint: 'npm run check',
  })
  mkdirSync(dirname(stamp), { recursive: true })
  writeFileSync(stamp, '')
}

/** Runs a program with its output on stderr; one that fails ends us with what to try. */
function execute(command, args, { doing, hint }) {
  const { status, signal, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 2, 2] })
  if (status === 0) return
  if (signal === 'SIGINT') process.exit(130)
  const reason = error?.message ?? signal ?? `exit code ${status}`
  process.stderr.write(`cannot ${doing}: it ended with ${reason}\ntry: ${hint}\n`)
  process.exit(1)
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
