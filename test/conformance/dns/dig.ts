import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { findOnPath } from '../../../src/shared/tied-process.ts'

export type DigProgram = 'dig' | 'kdig'

/** What dig and kdig print of a response, in one form. Records are fields with single spaces. */
export interface DigResponse {
  status: string
  flags: string[]
  question: string[]
  answer: string[]
  authority: string[]
  additional: string[]
  /** `'udp 1232'`-like text is different in both: the size alone. */
  ednsSize: number | undefined
  text: string
}

export const DIG_PROGRAMS: readonly DigProgram[] = ['dig', 'kdig']

/** Why a test of the program does not run, or undefined where it does. */
export function whyMissing(program: DigProgram): string | undefined {
  return findOnPath(program) === undefined ? `${program} is not installed` : undefined
}

/** Options that make one try of a query without recursion and without options of the client. */
const QUIET: Record<DigProgram, string[]> = {
  dig: ['+norec', '+nocookie', '+tries=1', '+time=5', '+noidnin', '+noidnout', '+noednsneg'],
  kdig: ['+norec', '+nocookie', '+retry=0', '+time=5', '+noidn', '+edns'],
}

export async function dig(
  program: DigProgram,
  port: number,
  ...options: string[]
): Promise<DigResponse> {
  const target = ['@127.0.0.1', '-p', String(port)]
  const { stdout } = await promisify(execFile)(program, [...target, ...QUIET[program], ...options])
  return parse(stdout)
}

function parse(text: string): DigResponse {
  const section = (name: string) => {
    const lines = text.split(`;; ${name} SECTION:\n`)[1]?.split('\n\n')[0]?.split('\n') ?? []
    return lines
      .filter(line => line !== '')
      .map(line =>
        line
          .replace(/^;;? ?/, '')
          .replace(/\s+/g, ' ')
          .trim(),
      )
  }
  const size = /udp: (\d+)|UDP size: (\d+)/.exec(text)
  return {
    status: /status: (\w+)/.exec(text)?.[1] ?? 'none',
    flags: /^;; flags: ([a-z ]*);/im.exec(text)?.[1]?.trim().split(' ') ?? [],
    question: section('QUESTION'),
    answer: section('ANSWER'),
    authority: section('AUTHORITY'),
    additional: section('ADDITIONAL'),
    ednsSize: size === null ? undefined : Number(size[1] ?? size[2]),
    text,
  }
}
