import type { Project } from '../../../../config/project.ts'
import { PROJECT_TAG } from '../stack/names.ts'
import { tagList, type Value } from './fragment.ts'

/** Tags of everything that is made for a project. */
export const projectTags = (project: Project): Readonly<Record<string, string>> => ({
  ...project.aws.tags,
  [PROJECT_TAG]: project.name,
})

/** The same as most resources take them. */
export const projectTagList = (project: Project): Value => tagList(projectTags(project))
