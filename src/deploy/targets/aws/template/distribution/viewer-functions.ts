import type { Project } from '../../../../../config/project.ts'
import {
  classicRequestCode,
  classicResponseCode,
  classicUrlCode,
  functionRequestCode,
  viewerRequestCode,
  viewerResponseCode,
} from '../../viewer/viewer-code.ts'
import { getAtt, type Resource, sub, type TemplateFragment, type Value } from '../fragment.ts'
import { hasPreviewDoor } from '../functions/preview-door.ts'
import { projectTagList } from '../tags.ts'

const STORE_ID = 'KeyValueStore'
const RUNTIME = 'cloudfront-js-2.0'
const EMPTY_SITE = { paths: [], redirects: [], headers: [] }

/** CloudFront Functions by what they stand before, as behaviors name them. */
export interface ViewerFunctions {
  fragment: TemplateFragment
  files: Value
  /** Undefined where no function is asked by its URL. */
  functionUrls: Value | undefined
  /** Before the HTTP API; undefined where nothing has to be done there. */
  api: Value | undefined
}

/** The code that runs at the edge, and the store that tells it which release is live. */
export function viewerFunctions(project: Project): ViewerFunctions {
  const isClassic = project.aws.mode === 'classic'
  const hasUrls = project.aws.functionUrls.length > 0
  const hasApi = hasPreviewDoor(project)
  // Those of classic mode have pages and redirects written into them, by each deploy.
  const requestCode = isClassic ? classicRequestCode(EMPTY_SITE) : viewerRequestCode()
  const responseCode = isClassic ? classicResponseCode(EMPTY_SITE) : viewerResponseCode()
  const store = isClassic ? undefined : getAtt(STORE_ID, 'Arn')
  return {
    fragment: {
      resources: {
        ...(!isClassic && { [STORE_ID]: liveStore(project) }),
        ViewerRequest: edgeFunction(
          project,
          'request',
          requestCode,
          'Which file a visitor gets',
          store,
        ),
        ViewerResponse: edgeFunction(
          project,
          'response',
          responseCode,
          'Header fields and status of files',
          store,
        ),
        ...(hasUrls && {
          FunctionUrlRequest: edgeFunction(
            project,
            'url',
            isClassic ? classicUrlCode() : functionRequestCode('url'),
            'Functions of previews, and bodies on their way to function URLs',
            store,
          ),
        }),
        ...(hasApi && {
          FunctionRequest: edgeFunction(
            project,
            'api',
            functionRequestCode('api'),
            'Functions of previews',
            store,
          ),
        }),
      },
      outputs: isClassic
        ? {}
        : {
            KeyValueStoreArn: {
              Description: 'Which release is live, and where its files are',
              Value: getAtt(STORE_ID, 'Arn'),
            },
          },
    },
    files: [
      associate('viewer-request', 'ViewerRequest'),
      associate('viewer-response', 'ViewerResponse'),
    ],
    functionUrls: hasUrls ? [associate('viewer-request', 'FunctionUrlRequest')] : undefined,
    api: hasApi ? [associate('viewer-request', 'FunctionRequest')] : undefined,
  }
}

const associate = (EventType: string, id: string) => ({
  EventType,
  FunctionARN: getAtt(id, 'FunctionARN'),
})

/** Names are the account's in all regions; 64 characters at most. */
const named = (project: Project, what: string) => sub(`${project.name}-${what}-\${AWS::Region}`)

function liveStore(project: Project): Resource {
  return {
    Type: 'AWS::CloudFront::KeyValueStore',
    Properties: {
      Name: named(project, 'live'),
      Comment: `Releases of project "${project.name}"`,
      Tags: projectTagList(project),
    },
    Metadata: {
      Mokapot: {
        Notes: [
          'Filled by deploys, from manifests/ in the bucket; key "live" is the release that visitors see.',
        ],
      },
    },
  }
}

function edgeFunction(
  project: Project,
  what: string,
  code: string,
  comment: string,
  store?: Value,
): Resource {
  return {
    Type: 'AWS::CloudFront::Function',
    Properties: {
      Name: named(project, what),
      AutoPublish: true,
      FunctionConfig: {
        Comment: comment,
        Runtime: RUNTIME,
        KeyValueStoreAssociations: store === undefined ? undefined : [{ KeyValueStoreARN: store }],
      },
      FunctionCode: code,
      Tags: projectTagList(project),
    },
  }
}
