{{/* Names and labels. */}}

{{- define "pim-authz.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 45 characters, so that the suffixes of the objects fit in 63. */}}
{{- define "pim-authz.fullname" -}}
{{- $name := include "pim-authz.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pim-authz.headlessName" -}}
{{- include "pim-authz.fullname" . }}-headless
{{- end -}}

{{- define "pim-authz.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "pim-authz.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Labels that select servers. The pods of the migration have another component, so that no service selects them. */}}
{{- define "pim-authz.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pim-authz.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: server
{{- end -}}

{{- define "pim-authz.migrationSelectorLabels" -}}
app.kubernetes.io/name: {{ include "pim-authz.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: migration
{{- end -}}

{{/* Labels that change with a release, and so cannot be part of selectors. */}}
{{- define "pim-authz.releaseLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "pim-authz.labels" -}}
{{ include "pim-authz.selectorLabels" . }}
{{ include "pim-authz.releaseLabels" . }}
{{- end -}}

{{- define "pim-authz.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The secret with the servers' certificate. */}}
{{- define "pim-authz.tlsSecretName" -}}
{{- default (printf "%s-tls" (include "pim-authz.fullname" .)) .Values.tls.existingSecret -}}
{{- end -}}

{{/* HOST:PORT to listen on; the host of IPv6 in brackets. Takes a list: the host, the port. */}}
{{- define "pim-authz.address" -}}
{{- $host := index . 0 -}}
{{- if contains ":" $host -}}[{{ $host }}]{{- else -}}{{ $host }}{{- end -}}:{{ index . 1 }}
{{- end -}}

{{/* The port of a URL, or of its scheme. Takes a list: the URL, the port of http, the port of https. */}}
{{- define "pim-authz.urlPort" -}}
{{- $url := urlParse (index . 0) -}}
{{- $named := regexFind ":[0-9]+$" $url.host -}}
{{- if $named -}}{{ trimPrefix ":" $named }}
{{- else if eq $url.scheme "https" -}}{{ index . 2 }}
{{- else -}}{{ index . 1 }}
{{- end -}}
{{- end -}}
