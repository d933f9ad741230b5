{{- define "windfire.name" -}}
{{- if contains "windfire" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-windfire" (.Release.Name | trunc 41 | trimSuffix "-") }}{{ end }}
{{- end }}

{{- define "windfire.selector" -}}
app.kubernetes.io/name: windfire
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "windfire.labels" -}}
{{ include "windfire.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}
