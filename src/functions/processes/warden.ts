import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'

/**
 * Reads `+ GROUP` and `- GROUP` lines. At end of input, which is the cloud's death whatever its
 * cause, it kills the groups that are left, then what left them: processes that still have a
 * function's variables ($3 is the folder of the code) or sit in a memory group (below $2). It
 * removes the memory groups and the folder of sockets ($1).
 */
const SCRIPT = `
trap '' INT TERM HUP
groups=' '
while read -r word group; do
  case $word in
    +) groups="$groups$group " ;;
    -) case $groups in *" $group "*) groups="\${groups%%" $group "*} \${groups#*" $group "}" ;; esac ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group" 2>/dev/null; done
rm -rf -- "$1"
for file in $(grep -lsaF "LAMBDA_TASK_ROOT=$3/" /proc/[0-9]*/environ); do
  pid=\${file#/proc/}
  kill -s KILL "\${pid%/environ}" 2>/dev/null
done
[ -n "$2" ] && [ -d "$2" ] || exit 0
for try in 1 2 3 4 5 6 7 8 9 10; do
  for list in "$2"/*/cgroup.procs; do
    while read -r pid; do kill -s KILL "$pid" 2>/dev/null; done <"$list"
  done 2>/dev/null
  for folder in "$2"/*/; do rmdir "$folder" 2>/dev/null; done
  rmdir "$2" 2>/dev/null && exit 0
  sleep 0.05
done
`

/**
 * A shell that outlives the cloud by a moment to end what a function left running. The kernel ends
 * our own direct children with us (PR_SET_PDEATHSIG), but that is not inherited by the processes
 * that a function starts, and does not exist outside Linux.
 */
export class Warden {
  readonly #child: ChildProcess
  readonly #input: Socket

  constructor(folders: { sockets: string; memory: string | undefined; code: string }) {
    this.#child = spawn(
      '/bin/sh',
      ['-c', SCRIPT, 'mokapot-warden', folders.sockets, folders.memory ?? '', folders.code],
      {
        stdio: ['pipe', 'ignore', 'ignore'],
        detached: true, // a Ctrl-C or a kill of our group must not end it before us
        cwd: '/',
        env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      },
    )
    this.#input = this.#child.stdin as Socket
    this.#child.on('error', () => {})
    this.#input.on('error', () => {})
    this.#child.unref()
    this.#input.unref()
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  add(group: number): void {
    this.#input.write(`+ ${group}\n`)
  }

  remove(group: number): void {
    this.#input.write(`- ${group}\n`)
  }

  /** Resolves when it has ended, which takes milliseconds. */
  close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.pid === undefined) return Promise.resolve()
    return new Promise(resolve => {
      this.#child.ref()
      this.#child.once('exit', () => resolve())
      this.#input.end()
    })
  }
}
