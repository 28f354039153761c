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
