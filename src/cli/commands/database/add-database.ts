import type { Command } from 'commander'
import type { TargetOptions } from '../../find-target.ts'
import type { ShellOptions } from './shell.ts'

/** `moka db`, whose commands speak to a running cloud or to AWS. */
export function addDatabase(program: Command, withTarget: (command: Command) => Command): void {
  const db = program.command('db').description('the project’s database')
  withTarget(db.command('shell'))
    .description('run SQL: in psql where there is one, else line by line')
    .option(
      '-c, --command <sql>',
      'run this, print what it gives, and end (default: what is typed)',
    )
    .action(async (options: ShellOptions) => {
      const { databaseShell } = await import('./shell.ts')
      await databaseShell(options)
    })
  withTarget(db.command('migrate'))
    .description('apply the migrations that the database lacks')
    .action(async (options: TargetOptions) => {
      const { migrateDatabase } = await import('./database.ts')
      await migrateDatabase(options)
    })
  withTarget(db.command('backup'))
    .description('keep the whole database as it is now: in a file, or on AWS as a snapshot')
    .argument('[file]', 'of a home cloud (default: named after the project and the time)')
    .action(async (file: string | undefined, options: TargetOptions) => {
      const { backUpDatabase } = await import('./database.ts')
      await backUpDatabase(file, options)
    })
  withTarget(db.command('restore'))
    .description('bring a home cloud’s database back from a file, as a whole or not at all')
    .argument('<file>')
    .option('--replace', 'though there are rows, which go')
    .action(async (file: string, options: TargetOptions & { replace?: boolean }) => {
      const { restoreDatabase } = await import('./database.ts')
      await restoreDatabase(file, options)
    })
}
