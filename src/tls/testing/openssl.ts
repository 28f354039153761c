import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findOnPath } from '../../shared/tied-process.ts'

/** The second opinion on what we write. Tests that need it say so where it is missing. */
export const hasOpenssl = findOnPath('openssl') !== undefined

/** Standard output of `openssl`, with its input on stdin. Throws with stderr when it fails. */
export function openssl(args: readonly string[], input: string | Uint8Array = ''): string {
  return execFileSync('openssl', args, { input, encoding: 'utf8', stdio: ['pipe', 'pipe', 'pipe'] })
}

/** Hands a folder with the given files to `use`, and removes it afterwards. */
export async function withFiles<T>(
  files: Record<string, string>,
  use: (directory: string) => T | Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'moka-tls-'))
  try {
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(directory, name), content, { mode: 0o600 })
    }
    return await use(directory)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}
