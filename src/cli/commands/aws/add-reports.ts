import { type Command, InvalidArgumentError, Option } from 'commander'

/** The commands that tell of a project and change nothing: what it costs, how far it is. */
export function addReports(program: Command): void {
  program
    .command('cost')
    .description('estimate what this project costs on AWS in a month, beside a machine of your own')
    .option(
      '--visits <count>',
      'visits in a month; ten times as many are shown, too',
      visits,
      10_000,
    )
    .option('--region <region>', 'of AWS (default: as in moka.config.ts)')
    .option('--json', 'print the estimate as JSON, with every price and its page')
    .action(async options => {
      const { cost } = await import('./cost.ts')
      await cost(options)
    })
  program
    .command('crc')
    .description(
      'score this project against the steps of the Cloud Resume Challenge, with what shows each',
    )
    .addOption(
      new Option('--to <target>', 'where it is looked at').choices(['home', 'aws']).default('home'),
    )
    .addOption(
      new Option('--cloud <url>', 'control address of the cloud, with MOKA_TOKEN').env(
        'MOKA_CLOUD',
      ),
    )
    .option('--json', 'print the score as JSON')
    .action(async options => {
      const { crc } = await import('./crc.ts')
      await crc(options)
    })
  program
    .command('export')
    .description('print what other tools can go on with')
    .command('cloudformation')
    .description('print the templates of the stacks on AWS; asks nobody, changes nothing')
    .addOption(
      new Option('--stack <stack>', 'which (default: site; with --out all)').choices([
        'site',
        'domain',
      ]),
    )
    .option('--out <dir>', 'write files there in place of printing')
    .action(async options => {
      const { exportTemplates } = await import('./export.ts')
      await exportTemplates(options)
    })
}

function visits(text: string): number {
  if (/^\d{1,10}$/.test(text) && Number(text) > 0) return Number(text)
  throw new InvalidArgumentError('visits are a whole number from 1.')
}
