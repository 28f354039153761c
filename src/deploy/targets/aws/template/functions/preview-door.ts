import type { Project } from '../../../../../config/project.ts'
import { lambdaPrefix, PREVIEW_PREFIX, previewDoorName } from '../../stack/names.ts'
import { getAtt, ref, sub, type TemplateFragment } from '../fragment.ts'
import { projectTagList } from '../tags.ts'
import { executionRole, type Statement } from './execution-role.ts'
import { placeholder } from './placeholder.ts'
import { logGroup } from './project-function.ts'

export const DOOR_ID = 'PreviewDoor'
/** It waits for another function; the HTTP API waits no longer. */
const TIMEOUT_SECONDS = 30
const MEMORY_MB = 256

/** Whether previews have functions: what is asked by nobody needs no door, and classic mode has no previews. */
export function hasPreviewDoor({ aws, functions }: Project): boolean {
  return aws.mode !== 'classic' && functions.some(({ routes }) => routes.length > 0)
}

/** Of the project's functions what previews have, and nothing that is live. */
export const invokePreviews = (project: Project): Statement => ({
  Sid: 'Previews',
  Effect: 'Allow',
  Action: ['lambda:InvokeFunction'],
  Resource: sub(
    `arn:\${AWS::Partition}:lambda:\${AWS::Region}:\${AWS::AccountId}:function:${lambdaPrefix(project.name)}*:${PREVIEW_PREFIX}*`,
  ),
})

/**
 * A function that asks those of previews, by the alias of each: so a preview needs nothing of the stack,
 * and is there and gone in a second. It stands outside of the network, whose functions reach no API of
 * AWS. A deploy of a preview gives it its code.
 */
export function previewDoor(project: Project): TemplateFragment {
  const functionName = previewDoorName(project.name)
  return {
    resources: {
      [`${DOOR_ID}Logs`]: logGroup(project, functionName),
      [`${DOOR_ID}Role`]: executionRole(project, {
        logs: `${DOOR_ID}Logs`,
        functionName,
        isInNetwork: false,
        besides: [invokePreviews(project)],
      }),
      [DOOR_ID]: {
        Type: 'AWS::Lambda::Function',
        Properties: {
          FunctionName: functionName,
          Description: `Asks functions of previews of project "${project.name}"`,
          Architectures: ['arm64'],
          ...placeholder('node'),
          MemorySize: MEMORY_MB,
          Timeout: TIMEOUT_SECONDS,
          Role: getAtt(`${DOOR_ID}Role`, 'Arn'),
          LoggingConfig: { LogFormat: 'Text', LogGroup: ref(`${DOOR_ID}Logs`) },
          Tags: projectTagList(project),
        },
      },
    },
  }
}
