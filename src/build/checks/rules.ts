import type { CheckLevel } from '../../wire/check.ts'

/** One thing that a check looks for. `docs/checks.md` shows them all; a test holds it to this table. */
export interface Rule {
  readonly name: string
  readonly description: string
  /** Docker's page; rules without one are ours. */
  readonly url?: string
  readonly level: CheckLevel
  /** Docker: off unless it is asked for by `experimental=`. */
  readonly experimental?: true
  /** The version of the rule set that it came with; in older ones it can make nothing fail. 0: docker's own. */
  readonly since: number
}

/** The newest rule set. A new rule gets the next number, and this one is raised. */
export const latestVersion = 1
/** What counts where nobody asks for a version: never raised, so that an upgrade makes no build fail. */
export const defaultVersion = 1

function docker(name: string, description: string, o: { experimental?: true } = {}): Rule {
  const page = name
    .replace(/([a-z])([A-Z])/g, '$1-$2')
    .replace(/([A-Z])([A-Z][a-z])/g, '$1-$2')
    .toLowerCase()
  const url = `https://docs.docker.com/go/dockerfile/rule/${page}/`
  return { name, description, url, level: 'warning', since: 0, ...o }
}

function ours(name: string, level: CheckLevel, description: string): Rule {
  return { name, description, level, since: 1 }
}

const experimental = true

export const rules = {
  StageNameCasing: docker('StageNameCasing', 'Stage names should be lowercase'),
  FromAsCasing: docker('FromAsCasing', "The 'as' keyword should match the case of the 'from' keyword"),
  NoEmptyContinuation: docker(
    'NoEmptyContinuation',
    'Empty continuation lines will become errors in a future release',
  ),
  ConsistentInstructionCasing: docker(
    'ConsistentInstructionCasing',
    'All commands within the Dockerfile should use the same casing (either upper or lower)',
  ),
  DuplicateStageName: docker('DuplicateStageName', 'Stage names should be unique'),
  ReservedStageName: docker('ReservedStageName', 'Reserved words should not be used as stage names'),
  JSONArgsRecommended: docker(
    'JSONArgsRecommended',
    'JSON arguments recommended for ENTRYPOINT/CMD to prevent unintended behavior related to OS signals',
  ),
  MaintainerDeprecated: docker(
    'MaintainerDeprecated',
    'The MAINTAINER instruction is deprecated, use a label instead to define an image author',
  ),
  UndefinedArgInFrom: docker('UndefinedArgInFrom', 'FROM command must use declared ARGs'),
  WorkdirRelativePath: docker(
    'WorkdirRelativePath',
    'Relative workdir without an absolute workdir declared within the build can have unexpected results if the base image changes',
  ),
  UndefinedVar: docker('UndefinedVar', 'Variables should be defined before their use'),
  MultipleInstructionsDisallowed: docker(
    'MultipleInstructionsDisallowed',
    'Multiple instructions of the same type should not be used in the same stage',
  ),
  LegacyKeyValueFormat: docker(
    'LegacyKeyValueFormat',
    'Legacy key/value format with whitespace separator should not be used',
  ),
  InvalidBaseImagePlatform: docker(
    'InvalidBaseImagePlatform',
    'Base image platform does not match expected target platform',
  ),
  RedundantTargetPlatform: docker(
    'RedundantTargetPlatform',
    'Setting platform to predefined $TARGETPLATFORM in FROM is redundant as this is the default behavior',
  ),
  SecretsUsedInArgOrEnv: docker(
    'SecretsUsedInArgOrEnv',
    'Sensitive data should not be used in the ARG or ENV commands',
  ),
  InvalidDefaultArgInFrom: docker(
    'InvalidDefaultArgInFrom',
    'Default value for global ARG results in an empty or invalid base image name',
  ),
  FromPlatformFlagConstDisallowed: docker(
    'FromPlatformFlagConstDisallowed',
    'FROM --platform flag should not use a constant value',
  ),
  CopyIgnoredFile: docker('CopyIgnoredFile', 'Attempting to Copy file that is excluded by .dockerignore', {
    experimental,
  }),
  InvalidDefinitionDescription: docker(
    'InvalidDefinitionDescription',
    'Comment for build stage or argument should follow the format: `# <arg/stage name> <description>`. If this is not intended to be a description comment, add an empty line or comment between the instruction and the comment.',
    { experimental },
  ),
  ExposeProtoCasing: docker('ExposeProtoCasing', 'Protocol in EXPOSE instruction should be lowercase'),
  ExposeInvalidFormat: docker(
    'ExposeInvalidFormat',
    'IP address and host-port mapping should not be used in EXPOSE instruction. This will become an error in a future release',
  ),

  TrailingComment: ours(
    'TrailingComment',
    'warning',
    'A # behind an instruction does not start a comment: it becomes a part of the instruction',
  ),
  BrokenJsonForm: ours(
    'BrokenJsonForm',
    'warning',
    'What looks like a JSON array and is none is handed to a shell as it stands: strings need double quotes, and nothing follows the bracket',
  ),
  SecretValue: ours(
    'SecretValue',
    'warning',
    'A value that looks like a key, token or password stays readable in the image and its history',
  ),
  SecretFileCopied: ours(
    'SecretFileCopied',
    'warning',
    'A file that usually holds secrets stays in the image, even when a later layer deletes it',
  ),
  DockerSocket: ours(
    'DockerSocket',
    'warning',
    "Whoever reaches the daemon's socket is root on the host: it does not belong into a container",
  ),
  BaseImageTag: ours(
    'BaseImageTag',
    'info',
    'A base image without a fixed tag changes without notice, and two builds are not the same',
  ),
  FullSizeBaseImage: ours(
    'FullSizeBaseImage',
    'info',
    'A slim or alpine variant of the base image has what most programs need, in a fraction of the size',
  ),
  CopyBeforeInstall: ours(
    'CopyBeforeInstall',
    'info',
    'Dependencies installed after COPY of all sources are installed again at each change of any file',
  ),
  ConsecutiveRun: ours(
    'ConsecutiveRun',
    'info',
    'RUN instructions that belong together should be one: what a later one deletes stays in the layer of the earlier',
  ),
  PackageListsKept: ours(
    'PackageListsKept',
    'info',
    'Package lists and download caches are of no use in an image: they belong out of the layer that made them',
  ),
  BuildToolsInFinalImage: ours(
    'BuildToolsInFinalImage',
    'info',
    'Compilers and build tools belong into a stage of their own: they make the final image large and open to attack',
  ),
  NoDockerignore: ours(
    'NoDockerignore',
    'info',
    'Without .dockerignore the whole directory is copied: .git, dependencies, logs and local settings too',
  ),
  RunsAsRoot: ours(
    'RunsAsRoot',
    'info',
    'A process that does not need to be root should not be: an error in it is then no way to all of the container',
  ),
  NoHealthcheck: ours(
    'NoHealthcheck',
    'info',
    'Without HEALTHCHECK nobody notices a program that runs and no longer answers',
  ),
  TestsInBuild: ours(
    'TestsInBuild',
    'info',
    'Tests in the stages of the final image bring their tools and leftovers along: they belong into a stage of their own',
  ),
  AddInsteadOfCopy: ours(
    'AddInsteadOfCopy',
    'info',
    'ADD also unpacks archives and fetches URLs; for files COPY says what is meant',
  ),
} as const satisfies Record<string, Rule>

export type RuleName = keyof typeof rules

export const ruleList: readonly Rule[] = Object.values(rules)
