import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { CloudStatus } from './cloud-api.ts'

/** The file in a cloud's data directory by which commands find it while it runs. */
export const RUNTIME_FILE = 'cloud.json'

export interface CloudRuntime extends CloudStatus {
  token: string
}

/** What a cloud has said of itself; undefined where there is nothing that can be read. */
export function readRuntime(dataDirectory: string): CloudRuntime | undefined {
  try {
    return JSON.parse(readFileSync(join(dataDirectory, RUNTIME_FILE), 'utf8')) as CloudRuntime
  } catch {
    return undefined
  }
}
