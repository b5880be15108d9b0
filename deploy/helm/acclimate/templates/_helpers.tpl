{{- define "acclimate.name" -}}
{{- if contains "acclimate" .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-acclimate" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "acclimate.selector" -}}
app.kubernetes.io/name: acclimate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "acclimate.labels" -}}
{{ include "acclimate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}
