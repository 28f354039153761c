import { type Command, Option } from 'commander'

/** `moka destroy`: the one command that takes away what a person would miss. */
export function addDestroy(program: Command): void {
  program
    .command('destroy')
    .description(
      'take this project off AWS; shows what goes and what stays, and asks before anything happens',
    )
    .addOption(
      new Option('--to <target>', 'where it was deployed to')
        .choices(['aws'])
        .makeOptionMandatory(),
    )
    .option('--yes <name>', 'the project’s name, in place of the question')
    .option('--delete-bucket', 'its buckets too: every release, and logs with them')
    .option('--delete-database', 'the database without a last snapshot')
    .option('--delete-zone', 'the zone of the domain, too')
    .option('--dry-run', 'print what would go and what would stay, and change nothing')
    .option('--json', 'print the result as JSON')
    .action(async options => {
      const { destroyCommand } = await import('./destroy.ts')
      await destroyCommand(options)
    })
}
