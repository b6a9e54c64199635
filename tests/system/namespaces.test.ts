import { namespaceScenarios } from './scenarios/namespaces.ts'

namespaceScenarios('gantry')
