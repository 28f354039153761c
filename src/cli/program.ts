import { Command, InvalidArgumentError, Option } from 'commander'
import { ownVersion } from '../shared/own-version.ts'
import { addDestroy } from './commands/aws/add-destroy.ts'
import { addReports } from './commands/aws/add-reports.ts'
import { addDatabase } from './commands/database/add-database.ts'
import type { DoctorOptions } from './commands/doctor/doctor.ts'
import type { HooksOptions } from './commands/git/hooks.ts'
import type { InvalidateOptions } from './commands/invalidate.ts'
import type { InvokeOptions } from './commands/invoke.ts'
import type { LogsOptions } from './commands/logs.ts'
import { type PreviewOptions, parseLifetime } from './commands/previews/preview-options.ts'
import type { CloudOptions } from './find-cloud.ts'
import type { TargetOptions } from './find-target.ts'

// Each command's code is loaded when it runs, so that `moka --help` and short commands start fast.

/** The command line of `moka`. Wrong usage throws a CommanderError after its message was shown. */
export function createProgram(): Command {
  const program = new Command('moka')
    .description('The cloud you make at home: one program from the name to the database row.')
    .version(ownVersion(), '-V, --version', 'print the version')
    .helpOption('-h, --help', 'print this help')
    .helpCommand('help [command]', 'print the help of a command')
    .showHelpAfterError('try: moka --help')
    .configureHelp({ sortSubcommands: false })
    .exitOverride()
  addInit(program)
  addDev(program)
  addUp(program)
  addDeploy(program)
  addPreviews(program)
  addReleases(program)
  addRollback(program)
  addVerify(program)
  addInvalidate(program)
  addInvoke(program)
  addLogs(program)
  addDatabase(program, withTarget)
  addSecrets(program)
  addNotify(program)
  addEnv(program)
  addRemote(program)
  addHooks(program)
  addDoctor(program)
  addReports(program)
  addDestroy(program)
  for (const command of program.commands)
    for (const part of [command, ...command.commands]) {
      const words = part === command ? command.name() : `${command.name()} ${part.name()}`
      part.showHelpAfterError(`try: moka ${words} --help`)
    }
  return program
}

function addInit(program: Command): void {
  program
    .command('init')
    .description('make a new project: site, function, migration, configuration, workflow')
    .argument('[dir]', 'where; it must be empty or not there yet', '.')
    .option('--json', 'print the result as JSON')
    .action(async (directory: string, options: { json?: boolean }) => {
      const { init } = await import('./commands/init.ts')
      await init(directory, options)
    })
}

function addDev(program: Command): void {
  withPorts(
    program
      .command('dev')
      .description('run the whole cloud for this project on loopback, following changes')
      .option('--json', 'print the addresses as one line of JSON'),
    { site: 8080, https: 8443, control: 8081, dns: 8053, aws: 4566, database: 8432 },
  ).action(async options => {
    const { dev } = await import('./commands/dev.ts')
    await dev(options)
  })
}

function addUp(program: Command): void {
  withPorts(
    program
      .command('up')
      .description(
        'run the cloud as a service on your own server, with its data in $MOKA_HOME (default: /var/lib/mokapot)',
      )
      .option('--host <address>', 'where site and DNS listen', '0.0.0.0')
      .option(
        '--address <address>',
        'an address DNS gives for the domains; again for more (default: --host, or this machine’s)',
        collect,
      )
      .option(
        '--trust-proxy <cidr>',
        'a proxy whose X-Forwarded-For counts; again for more',
        collect,
      )
      .option(
        '--acme-email <address>',
        'get certificates from Let’s Encrypt for every domain, accepting its terms',
      )
      .option('--acme-directory <url>', 'another ACME authority’s directory')
      .option(
        '--certificate <files>',
        'serve HTTPS with this PEM file, or certificate,key; again for more',
        collect,
      )
      .addOption(
        new Option('--access-log <format>', 'how requests are logged, in $MOKA_HOME/access')
          .choices(['json', 'w3c', 'off'])
          .default('json'),
      )
      .addOption(
        new Option('--edge-runtime <runtime>', 'what answers visitors; bun: $MOKA_BUN, or on PATH')
          .choices(['node', 'bun'])
          .default('node'),
      )
      .option('--json', 'print the addresses as one line of JSON'),
    { site: 80, https: 443, control: 8081, dns: 53, aws: 4566, database: 8432 },
  ).action(async options => {
    const { up } = await import('./commands/up.ts')
    await up(options)
  })
}

function addDeploy(program: Command): void {
  withTarget(program.command('deploy'))
    .description('make a release of this project and make it live')
    .option('--dry-run', 'print the plan, and change nothing')
    .option('--steps', 'print the commands to do it by hand, and change nothing')
    .option('--test', 'deploy only what passes the command `test` of moka.config.ts')
    .addOption(
      new Option(
        '--preview <name>',
        'show it at an address of its own, in place of going live; the name of a branch will do',
      ).conflicts('steps'),
    )
    .addOption(
      new Option('--database <kind>', 'of the preview (default: as it was, or empty)').choices([
        'empty',
        'copy',
      ]),
    )
    .option('--password [text]', 'of the preview (without text: a new one is made and printed)')
    .option('--expires <time>', 'when the preview ends, such as 12h (default: 7d)', parseLifetime)
    .option(
      '--may-lose <resource>',
      'what holds data on AWS and may go or be made anew, such as Database; again for more',
      collect,
    )
    .action(
      async (
        options: TargetOptions &
          PreviewOptions & {
            dryRun?: boolean
            mayLose?: string[]
            steps?: boolean
            test?: boolean
          },
        command: Command,
      ) => {
        const { preview, database, password, expires } = options
        if (preview === undefined && (database ?? password ?? expires) !== undefined) {
          command.error('error: --database, --password and --expires are for --preview NAME')
        }
        if (options.to !== 'aws' && options.mayLose !== undefined) {
          command.error('error: --may-lose is for --to aws')
        }
        if (options.to === 'aws' && options.steps === true) {
          command.error(
            'error: --steps is for a cloud of your own; try: moka export cloudformation',
          )
        }
        const { deployCommand, stepsCommand } = await import('./commands/deploy.ts')
        await (options.steps === true ? stepsCommand(options) : deployCommand(options))
      },
    )
}

function addPreviews(program: Command): void {
  const previews = withTarget(program.command('previews'))
    .description('list the previews: what each shows, where, and when it ends')
    .action(async (options: TargetOptions) => {
      const { listPreviews } = await import('./commands/previews/previews.ts')
      await listPreviews(options)
    })
  withTarget(previews.command('remove'))
    .description('remove one now, with its database')
    .argument('<name>')
    .action(async (name: string, options: TargetOptions) => {
      const { removePreview } = await import('./commands/previews/previews.ts')
      await removePreview(name, { ...previews.opts(), ...options })
    })
}

function addReleases(program: Command): void {
  withTarget(program.command('releases'))
    .description('list the releases, newest first')
    .option('-n, --count <count>', 'only so many, the newest (default: all)', wholeNumber)
    .action(async (options: TargetOptions & { count?: number }) => {
      const { releases } = await import('./commands/releases.ts')
      await releases(options)
    })
}

function addRollback(program: Command): void {
  withTarget(program.command('rollback'))
    .description('make an earlier release live: files, functions and settings together')
    .argument('[release]', 'such as r-41 (default: the one before the live one)')
    .action(async (release: string | undefined, options: TargetOptions) => {
      const { rollback } = await import('./commands/rollback.ts')
      await rollback(release, options)
    })
}

function addVerify(program: Command): void {
  withTarget(program.command('verify'))
    .description('check that a site serves what was released, file by file')
    .argument(
      '[url]',
      'such as https://example.org (default: this cloud’s own edge, or the site on AWS)',
    )
    .action(async (url: string | undefined, options: TargetOptions) => {
      const { verify } = await import('./commands/verify.ts')
      await verify(url, options)
    })
}

function addInvalidate(program: Command): void {
  withCloud(program.command('invalidate'))
    .description('drop stored responses on every edge worker')
    .argument('[path...]', 'a path, a prefix such as "/api/*", or "/*"')
    .option('--tag <name...>', 'what has one of these names in its Cache-Tag; after the paths')
    .action(async (paths: string[], options: InvalidateOptions, command: Command) => {
      if (paths.length === 0 && options.tag === undefined) {
        command.error("error: missing required argument 'path', or --tag")
      }
      const { invalidate } = await import('./commands/invalidate.ts')
      await invalidate(paths, options)
    })
}

function addInvoke(program: Command): void {
  withTarget(program.command('invoke'))
    .description('invoke a function of the live release and print what it returns')
    .argument('<function>')
    .option('--payload <json>', 'the event: JSON, @file, or - for standard input (default: {})')
    .option('--path <path>', 'make the event of an HTTP request for this path and query')
    .option('--method <method>', 'its method (default: GET, and POST with a body)')
    .option('--body <text>', 'its body: text, @file, or - for standard input')
    .action(async (name: string, options: InvokeOptions) => {
      const { invoke } = await import('./commands/invoke.ts')
      await invoke(name, options)
    })
}

function addLogs(program: Command): void {
  withTarget(program.command('logs'))
    .description('print what functions wrote')
    .argument('[function]', 'only of this one')
    .option('-f, --follow', 'go on with what comes')
    .option('-n, --lines <count>', 'how many of the last lines', wholeNumber, 100)
    .option('--preview <name>', 'of this preview, in place of the live site')
    .action(async (name: string | undefined, options: LogsOptions) => {
      const { logs } = await import('./commands/logs.ts')
      await logs(name, options)
    })
}

function addSecrets(program: Command): void {
  const secrets = program
    .command('secrets')
    .description('values that functions and builds get and nobody can read: names are listed alone')
  withTarget(secrets.command('set'))
    .description('set or change one; its value is asked for, or taken from standard input')
    .argument(
      '<name>',
      'such as STRIPE_KEY, which is the variable’s name in functions that name it',
    )
    .allowExcessArguments() // a value, which is refused in words of its own
    .action(async (name: string, options: TargetOptions, { args }: Command) => {
      const { setSecret } = await import('./commands/secrets/secrets.ts')
      await setSecret(args.length > 1 ? `${name}=` : name, options)
    })
  withTarget(secrets.command('list'))
    .description('list their names, when each was set, and who gets it')
    .action(async (options: TargetOptions) => {
      const { listSecrets } = await import('./commands/secrets/secrets.ts')
      await listSecrets(options)
    })
  withTarget(secrets.command('remove'))
    .description('remove one that the live release does not need')
    .argument('<name>')
    .action(async (name: string, options: TargetOptions) => {
      const { removeSecret } = await import('./commands/secrets/secrets.ts')
      await removeSecret(name, options)
    })
}

function addNotify(program: Command): void {
  const notify = program
    .command('notify')
    .description('notifications of deploys, to the addresses that moka.config.ts names as notify')
  withCloud(notify.command('test'))
    .description('send one to each address of the live release, and tell how it went')
    .action(async (options: CloudOptions & { json?: boolean }) => {
      const { testNotifications } = await import('./commands/notifications/notify.ts')
      await testNotifications(options)
    })
  withCloud(notify.command('key'))
    .description('print the key that they are signed with, for who checks X-Mokapot-Signature')
    .action(async (options: CloudOptions & { json?: boolean }) => {
      const { printNotificationKey } = await import('./commands/notifications/notify.ts')
      await printNotificationKey(options)
    })
}

function addEnv(program: Command): void {
  withCloud(program.command('env'))
    .description('print shell exports for this cloud: eval "$(moka env)"')
    .action(async (options: CloudOptions & { json?: boolean }) => {
      const { env } = await import('./commands/env.ts')
      await env(options)
    })
}

function addRemote(program: Command): void {
  withCloud(program.command('remote'))
    .description('make the cloud a remote of this repository: git push home main')
    .argument('[name]', 'what it is called', 'home')
    .action(async (name: string, options: CloudOptions & { json?: boolean }) => {
      const { remote } = await import('./commands/git/remote.ts')
      await remote(name, options)
    })
}

function addHooks(program: Command): void {
  withCloud(program.command('hooks'))
    .description('print what GitHub, GitLab or Gitea needs to tell this cloud of pushes')
    .option('--repository <url>', 'the repository there, as https://github.com/you/site.git')
    .option(
      '--token-file <file>',
      'a token that reads it and reports statuses; - for standard input',
    )
    .action(async (options: HooksOptions) => {
      const { hooks } = await import('./commands/git/hooks.ts')
      await hooks(options)
    })
}

function addDoctor(program: Command): void {
  program
    .command('doctor')
    .description('look for what stands in the way of a deploy, and tell what mends it')
    .addOption(
      new Option('--to <target>', 'where the deploy would go')
        .choices(['home', 'aws'])
        .default('home'),
    )
    .option('--timeout <seconds>', 'for a slow network (default: done within 5)', wholeNumber)
    .option('--json', 'print the findings as JSON')
    .action(async (options: DoctorOptions) => {
      const { doctor } = await import('./commands/doctor/doctor.ts')
      await doctor(options)
    })
}

/** The options of a command that speaks to a running cloud, or to AWS. */
function withTarget(command: Command): Command {
  return withCloud(
    command.addOption(
      new Option(
        '--to <target>',
        'a running cloud, or your account at AWS (default: home)',
      ).choices(['home', 'aws']),
    ),
  ).hook('preAction', (_, action) => {
    // A parent takes options that stand after its subcommand, too.
    if (action.optsWithGlobals().to !== 'aws') return
    if (action.getOptionValueSourceWithGlobals('cloud') !== 'cli') return
    action.error('error: --cloud names a cloud of your own, and --to aws is none')
  })
}

/** The options of a command that speaks to a running cloud. */
function withCloud(command: Command): Command {
  return command
    .addOption(
      new Option('--cloud <url>', 'control address of the cloud, with MOKA_TOKEN').env(
        'MOKA_CLOUD',
      ),
    )
    .option('--project <name>', 'the project (default: the one in this folder)')
    .option('--json', 'print the result as JSON')
}

/** The options of a command that opens a cloud. */
function withPorts(
  command: Command,
  defaults: Record<'site' | 'https' | 'control' | 'dns' | 'aws' | 'database', number>,
): Command {
  return command
    .option('--site-port <port>', 'port of the site', port, defaults.site)
    .option('--https-port <port>', 'port of the site by HTTPS', port, defaults.https)
    .option('--dns-port <port>', 'port of DNS, UDP and TCP', port, defaults.dns)
    .option('--aws-port <port>', 'port of the AWS APIs', port, defaults.aws)
    .option('--database-port <port>', 'port of the database', port, defaults.database)
    .option('--control-port <port>', 'port of the control API', port, defaults.control)
    .option('--ephemeral', 'take free ports for those that are not named')
    .hook('preAction', ({ options }, action) => {
      if (action.getOptionValue('ephemeral') !== true) return
      for (const name of options.map(option => option.attributeName())) {
        const isDefault = action.getOptionValueSource(name) === 'default'
        if (name.endsWith('Port') && isDefault) action.setOptionValue(name, 0)
      }
    })
}

function port(text: string): number {
  const value = Number(text)
  if (/^\d{1,5}$/.test(text) && value <= 65_535) return value
  throw new InvalidArgumentError('a port is a number from 0 to 65535.')
}

function wholeNumber(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('not a whole number.')
}

function collect(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value]
}
