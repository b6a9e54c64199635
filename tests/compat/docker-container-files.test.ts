import { containerFilesScenarios } from '../system/scenarios/container-files.ts'

containerFilesScenarios('docker')
