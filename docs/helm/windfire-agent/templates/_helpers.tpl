{{- define "windfire-agent.name" -}}
{{- if contains "windfire-agent" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-windfire-agent" (.Release.Name | trunc 35 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "windfire-agent.selector" -}}
app.kubernetes.io/name: windfire-agent
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "windfire-agent.labels" -}}
{{ include "windfire-agent.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
