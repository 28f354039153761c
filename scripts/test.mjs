// What `npm test` runs: gets a browser where it may, then vitest, then says what did not run.
// Arguments go to vitest.
import { spawnSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

const PROGRAMS = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']

const chromium = findChromium() ?? installChromium()
const { status } = spawnSync(
  process.execPath,
  ['node_modules/vitest/vitest.mjs', 'run', ...process.argv.slice(2)],
  {
    stdio: 'inherit',
    env: { ...process.env, ...(chromium === undefined ? {} : { CHROMIUM_PATH: chromium }) },
  },
)
if (chromium === undefined) {
  console.log('\nThe browser test did not run: there is no Chromium, and none could be installed.')
  console.log('try: set CHROMIUM_PATH to a Chromium or Chrome')
}
process.exit(status ?? 1)

function findChromium() {
  const { CHROMIUM_PATH, PATH = '' } = process.env
  if (CHROMIUM_PATH !== undefined && CHROMIUM_PATH !== '') return CHROMIUM_PATH
  for (const directory of PATH.split(delimiter)) {
    for (const program of PROGRAMS) {
      try {
        accessSync(join(directory, program), constants.X_OK)
        return join(directory, program)
      } catch {}
    }
  }
  return undefined
}

/** Debian's package, where we are root on Debian or one of its kin. */
function installChromium() {
  const hasApt = spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status === 0
  if (!hasApt || process.getuid?.() !== 0) return undefined
  console.error('installing chromium for the browser test …')
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }
  spawnSync('apt-get', ['update', '-qq'], options)
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options)
  return findChromium()
}
