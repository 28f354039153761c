import { describe, expect, it } from 'vitest'
import { type FailureEvent, firstFailure, stackFailed } from './stack-failure.ts'

const failed = (id: string, type: string, reason: string): FailureEvent => ({
  ...{ LogicalResourceId: id, ResourceType: type, ResourceStatus: 'CREATE_FAILED' },
  ResourceStatusReason: reason,
})

describe('a stack that failed', () => {
  it('names the resource that failed first, and none of those that were cancelled with it', () => {
    const events: FailureEvent[] = [
      {
        LogicalResourceId: 'Distribution',
        ResourceType: 'AWS::CloudFront::Distribution',
        ResourceStatus: 'CREATE_IN_PROGRESS',
      },
      failed('Cancelled', 'AWS::IAM::Role', 'Resource creation cancelled'),
      failed('Distribution', 'AWS::CloudFront::Distribution', 'no'),
      failed('Later', 'AWS::IAM::Role', 'also no'),
      failed(
        'stack',
        'AWS::CloudFormation::Stack',
        'The following resource(s) failed to create: [Distribution, Later]. ',
      ),
    ]
    expect(firstFailure(events)?.LogicalResourceId).toBe('Distribution')
  })

  it('says what CloudFormation says where it names no resource', () => {
    const events: FailureEvent[] = [
      {
        LogicalResourceId: 's',
        ResourceType: 'AWS::CloudFormation::Stack',
        ResourceStatus: 'ROLLBACK_IN_PROGRESS',
        ResourceStatusReason: 'Stack creation time exceeded',
      },
    ]
    expect(stackFailed('s', 'eu-west-1', 'make', events).message).toBe(
      'cannot make stack "s": Stack creation time exceeded',
    )
  })

  // As CloudFormation words them, with what wraps the service's own words.
  const wrapped = (text: string, code = 'GeneralServiceException') =>
    `Resource handler returned message: "${text}" (RequestToken: 5f1b-2, HandlerErrorCode: ${code})`
  it.each([
    [
      'AWS::CloudFront::Distribution',
      wrapped(
        'Invalid request provided: AWS::CloudFront::Distribution: One or more of the CNAMEs you provided are already associated with a different resource. (Service: CloudFront, Status Code: 409, Request ID: 1) (SDK Attempt Count: 1)',
        'InvalidRequest',
      ),
      'One or more of the CNAMEs you provided are already associated with a different resource',
      'list-conflicting-aliases',
    ],
    [
      'AWS::CloudFront::Distribution',
      wrapped(
        "Access denied for operation 'AWS::CloudFront::Distribution: Your account must be verified before you can add CloudFront resources. To verify your account, please contact AWS Support'.",
        'AccessDenied',
      ),
      'must be verified',
      'support/home',
    ],
    [
      'AWS::Lambda::Function',
      wrapped(
        "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [100]. (Service: Lambda, Status Code: 400, Request ID: 1)",
        'InvalidRequest',
      ),
      'below its minimum value of [100]',
      'reservedConcurrency',
    ],
    [
      'AWS::Lambda::Function',
      wrapped(
        "The provided subnets contain availability zone Lambda doesn't support. Please use a different set of subnets. (Service: Lambda, Status Code: 400, Request ID: 1)",
        'InvalidRequest',
      ),
      "availability zone Lambda doesn't support",
      'aws.region',
    ],
    [
      'AWS::Lambda::Function',
      wrapped(
        'User: arn:aws:iam::1:user/ada is not authorized to perform: lambda:CreateFunction on resource: arn:aws:lambda:eu-west-1:1:function:mokapot-a-b because no identity-based policy allows the lambda:CreateFunction action (Service: Lambda, Status Code: 403, Request ID: 1)',
        'AccessDenied',
      ),
      'lambda:CreateFunction',
      '"Action":"lambda:CreateFunction","Resource":"arn:aws:lambda:eu-west-1:1:function:mokapot-a-b"',
    ],
    [
      'AWS::CertificateManager::Certificate',
      'DNS Record Set is not available. Certificate is in FAILED status. Failure Reason: CAA_ERROR',
      'CAA_ERROR',
      '0 issue "amazon.com"',
    ],
    [
      'AWS::CertificateManager::Certificate',
      'Certificate validation timed out',
      'timed out',
      'moka doctor --to aws',
    ],
    ['AWS::S3::Bucket', 'site already exists', 'site already exists', 'one for all accounts'],
    [
      'AWS::Logs::LogGroup',
      `Resource of type 'AWS::Logs::LogGroup' with identifier '{"/properties/LogGroupName":"/aws/lambda/mokapot-a-b"}' already exists.`,
      'already exists',
      'aws logs delete-log-group --log-group-name /aws/lambda/mokapot-a-b',
    ],
    [
      'AWS::IAM::OIDCProvider',
      wrapped(
        'Provider with url https://token.actions.githubusercontent.com already exists.',
        'AlreadyExists',
      ),
      'already exists',
      'do it again',
    ],
    [
      'AWS::EC2::VPC',
      wrapped(
        'The maximum number of VPCs has been reached. (Service: Ec2, Status Code: 400, Request ID: 1)',
        'GeneralServiceException',
      ),
      'The maximum number of VPCs has been reached',
      'https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/vpc/quotas',
    ],
    [
      'AWS::RDS::DBInstance',
      wrapped(
        'DB Instance quota exceeded (Service: Rds, Status Code: 400, Request ID: 1)',
        'ServiceLimitExceeded',
      ),
      'DB Instance quota exceeded',
      'https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/rds/quotas',
    ],
    [
      'AWS::CloudFront::ResponseHeadersPolicy',
      "Limit exceeded for resource of type 'AWS::CloudFront::ResponseHeadersPolicy'. Reason: You have exceeded the maximum number of response headers policies per account.",
      'Limit exceeded',
      'https://us-east-1.console.aws.amazon.com/servicequotas/home/services/cloudfront/quotas',
    ],
    [
      'AWS::CloudFront::KeyValueStore',
      wrapped('EntityLimitExceeded (Service: CloudFront, Status Code: 400, Request ID: 1)'),
      'EntityLimitExceeded',
      'servicequotas/home/services/cloudfront/quotas',
    ],
    [
      'AWS::CloudFront::Distribution',
      wrapped(
        'Your request contains more CacheBehaviors than are allowed per distribution. (Service: CloudFront, Status Code: 400, Request ID: 1)',
        'InvalidRequest',
      ),
      'more CacheBehaviors than',
      'servicequotas/home/services/cloudfront/quotas',
    ],
    [
      'AWS::Route53::HostedZone',
      wrapped(
        'Limits Exceeded: MaxHostedZones - Maximum hosted zones limit is: 500 (Service: Route53, Status Code: 400, Request ID: 1)',
      ),
      'MaxHostedZones',
      'https://us-east-1.console.aws.amazon.com/servicequotas/home/services/route53/quotas',
    ],
    [
      'AWS::CertificateManager::Certificate',
      wrapped(
        'Error: you have reached your limit of 20 certificates in the last year. (Service: Acm, Status Code: 400, Request ID: 1)',
        'ServiceLimitExceeded',
      ),
      'your limit of 20 certificates',
      'servicequotas/home/services/acm/quotas',
    ],
    [
      'AWS::Logs::LogGroup',
      'Resource limit exceeded. (Service: CloudWatchLogs, Status Code: 400, Error Code: ResourceLimitExceeded)',
      'Resource limit exceeded',
      'https://eu-west-1.console.aws.amazon.com/servicequotas/home/services/logs/quotas',
    ],
    [
      'AWS::S3::Bucket',
      wrapped(
        'You have attempted to create more buckets than allowed (Service: S3, Status Code: 400, Request ID: 1)',
      ),
      'more buckets than allowed',
      'servicequotas/home/services/s3/quotas',
    ],
    [
      'AWS::RDS::DBInstance',
      wrapped(
        'The specified backup retention period exceeds the maximum available to free tier customers. (Service: Rds, Status Code: 400, Request ID: 1)',
      ),
      'free tier',
      'free plan',
    ],
    [
      'AWS::RDS::DBInstance',
      'something nobody has seen',
      'something nobody has seen',
      'describe-stack-events --stack-name s --region eu-west-1',
    ],
  ])('%s: %s', (type, reason, said, hint) => {
    const error = stackFailed('s', 'eu-west-1', 'make', [failed('X', type, reason)])
    expect(error.message).toMatch(/^cannot make stack "s": X \(AWS::/)
    expect(error.message).toContain(said)
    expect(error.message).not.toMatch(/RequestToken|Request ID|SDK Attempt|\.$/)
    expect(error.hint).toContain(hint)
  })
})
