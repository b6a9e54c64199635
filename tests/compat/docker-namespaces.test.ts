import { namespaceScenarios } from '../system/scenarios/namespaces.ts'

namespaceScenarios('docker')
