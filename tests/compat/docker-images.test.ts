import { imageScenarios } from '../system/scenarios/images.ts'

imageScenarios('docker')
