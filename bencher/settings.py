"""Settings: from the environment only, parsed strictly, each error saying what to do.

`.env.example` lists every variable with its default and its meaning.
"""

from datetime import time, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured
from environs import Env, EnvError

from bencher import broker, schedule

BASE_DIR = Path(__file__).resolve().parent.parent
STRIPE_PUBLIC_API = "https://api.stripe.com"

env = Env(eager=False)
env.read_env(str(BASE_DIR / ".env"), recurse=False)

SECRET_KEY: str = env.str("SECRET_KEY")
# Former keys: what they signed or encrypted is still read, and nothing new is made with them.
SECRET_KEY_FALLBACKS: list[str] = env.list("SECRET_KEY_FALLBACKS", [])
DEBUG = False
HTTPS: bool = env.bool("HTTPS", True)
BASE_URL: str = env.str("BASE_URL", "http://127.0.0.1:8000").rstrip("/")
ALLOWED_HOSTS: list[str] = env.list("ALLOWED_HOSTS", [urlsplit(BASE_URL).hostname or "127.0.0.1"])

DATABASES = {"default": env.dj_db_url("DATABASE_URL", conn_max_age=600, conn_health_checks=True)}
REDIS_URL: str = env.str("REDIS_URL")

# Ingest
INGEST_MAX_BYTES: int = env.int("INGEST_MAX_BYTES", 8 * 1024 * 1024)
ALLOW_UNCLAIMED_PROJECTS: bool = env.bool("ALLOW_UNCLAIMED_PROJECTS", False)

INGEST_MAX_BENCHMARKS: int = env.int("INGEST_MAX_BENCHMARKS", 20_000)
INGEST_MAX_MEASURES: int = env.int("INGEST_MAX_MEASURES", 256)
INGEST_MAX_METRICS: int = env.int("INGEST_MAX_METRICS", 100_000)

# Rate limits, counted on Redis and open without it. Empty: no limit.
RATE_LIMIT_ADDRESS: str = env.str("RATE_LIMIT_ADDRESS", "4096/minute")
RATE_LIMIT_KEY: str = env.str("RATE_LIMIT_KEY", "2048/minute;16384/hour;65536/day")
RATE_LIMIT_REPORTS: str = env.str("RATE_LIMIT_REPORTS", "256/minute;4096/hour;16384/day")
# How many proxies in front of us say in X-Forwarded-For who is behind them.
TRUSTED_PROXIES: int = env.int("TRUSTED_PROXIES", 0)

# Billing
ACTIVE_SERIES_PRODUCT: str = env.str("ACTIVE_SERIES_PRODUCT", "")
TEAM_PRODUCT: str = env.str("TEAM_PRODUCT", "")
ENTERPRISE_PRODUCT: str = env.str("ENTERPRISE_PRODUCT", "")
BARE_METAL_PRODUCT: str = env.str("BARE_METAL_PRODUCT", "")
LEGACY_PRO_PRODUCT: str = env.str("LEGACY_PRO_PRODUCT", "")
ACTIVE_SERIES_VISIBILITY: str = env.str("ACTIVE_SERIES_VISIBILITY", "private")
BILLING_POST_INTERVAL = timedelta(seconds=env.int("BILLING_POST_INTERVAL", 60))
BILLING_CLOSE_DELAY = timedelta(seconds=env.int("BILLING_CLOSE_DELAY", 600))
_sweep_at: str = env.str("BILLING_SWEEP_AT", "03:00")
PRO_TRIAL_DAYS: int = env.int("PRO_TRIAL_DAYS", 30)
PLAN_GRACE_DAYS: int = env.int("PLAN_GRACE_DAYS", 14)
EVIDENCE_MONTHS: int = env.int("EVIDENCE_MONTHS", 18)
OUTBOX_KEEP_DAYS: int = env.int("OUTBOX_KEEP_DAYS", 90)

# Stripe. Without a key nothing is sold, and everything else works.
STRIPE_SECRET_KEY: str = env.str("STRIPE_SECRET_KEY", "")
STRIPE_API_BASE: str = env.str("STRIPE_API_BASE", STRIPE_PUBLIC_API).rstrip("/")
# What `stripe_setup` made: the portal's configuration, the secret that signs thin events.
STRIPE_PORTAL_CONFIGURATION: str = env.str("STRIPE_PORTAL_CONFIGURATION", "")
STRIPE_THIN_WEBHOOK_SECRET: str = env.str("STRIPE_THIN_WEBHOOK_SECRET", "")
STRIPE_ALLOW_TEST_KEY: bool = env.bool("STRIPE_ALLOW_TEST_KEY", False)
STRIPE_API_VERSION = "2026-08-26.dahlia"
# The sandbox is a process of this machine; whatever else speaks for Stripe is taken for Stripe.
STRIPE_IS_SANDBOX = urlsplit(STRIPE_API_BASE).hostname in ("127.0.0.1", "localhost", "::1")

# Mail. Where no server is named, notices are written to the worker's output.
_email = env.dj_email_url("EMAIL_URL", "console://")
DEFAULT_FROM_EMAIL: str = env.str("EMAIL_FROM", "billing@localhost")
# Where customers write who want Team or Enterprise; not shown where it is empty.
CONTACT_EMAIL: str = env.str("CONTACT_EMAIL", "")

# Shown to whoever signs up; empty where there are no terms beyond what the page says.
TERMS_URL: str = env.str("TERMS_URL", "")

LOG_LEVEL: str = env.str("LOG_LEVEL", "INFO")
# Without a token /metrics is for staff only.
METRICS_TOKEN: str = env.str("METRICS_TOKEN", "")

try:
    env.seal()
    BILLING_SWEEP_AT = time.fromisoformat(_sweep_at)
except (EnvError, ValueError) as error:
    raise ImproperlyConfigured(
        f"The environment is not complete or not valid: {error}. See .env.example; for a local"
        " run put `python manage.py embedded --` in front of the command, or use `make`."
    ) from error
if ACTIVE_SERIES_VISIBILITY not in ("private", "all"):
    raise ImproperlyConfigured("ACTIVE_SERIES_VISIBILITY is neither 'private' nor 'all'.")

BILLING_CONFIGURED = bool(STRIPE_SECRET_KEY)

EMAIL_BACKEND = _email["EMAIL_BACKEND"]
EMAIL_HOST, EMAIL_PORT = _email["EMAIL_HOST"], _email["EMAIL_PORT"]
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _email["EMAIL_HOST_USER"], _email["EMAIL_HOST_PASSWORD"]
EMAIL_USE_TLS, EMAIL_USE_SSL = _email["EMAIL_USE_TLS"], _email["EMAIL_USE_SSL"]
EMAIL_FILE_PATH = _email["EMAIL_FILE_PATH"]
# A mail server that hangs must not hold the worker.
EMAIL_TIMEOUT = 20

INSTALLED_APPS = [
    # Before ours, which put other pages for staff in the place of theirs.
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "bencher",
    "bencher.tenancy",
    "series",
    "ingest",
    "billing",
    "bencher.staff_apps.StaffConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_guid",
    "django_htmx",
    "hijack",
    "rest_framework",
    "drf_spectacular",
    "djstripe",
]

MIDDLEWARE = [
    "django_guid.middleware.guid_middleware",
    "django.middleware.security.SecurityMiddleware",
    "bencher.rest.address_limit.AddressLimit",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    # Sets Content-Length too: without it gunicorn answers in chunks.
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "bencher.partials.ReloadWhenSignedOut",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "hijack.middleware.HijackUserMiddleware",
    "bencher.tenancy.impersonating.read_only",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "bencher.audit_middleware.AuditMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

ROOT_URLCONF = "bencher.urls"
WSGI_APPLICATION = "bencher.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
AUTH_USER_MODEL = "tenancy.User"
# One initial migration in place of dj-stripe's history, which takes 48 seconds to replay.
MIGRATION_MODULES = {"djstripe": "billing.djstripe_migrations"}

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "bencher.pages.site",
            ],
        },
    },
]

# The default is the database: attempts to sign in and used codes count for all processes, also
# where Redis is down. What a page only need not ask again is kept by each process for itself.
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.db.DatabaseCache",
        "LOCATION": "bencher_cache",
        "OPTIONS": {"MAX_ENTRIES": 100_000},
    },
    "process": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
}

LANGUAGE_CODE = "en-us"
TIME_ZONE = "UTC"
USE_TZ = True
# Of the admin's own pages; the others write dates by bencher.dates.
FORMAT_MODULE_PATH = "bencher.formats"

STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "static-collected"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Serves straight from static/ where collectstatic has not run, as in a local run.
WHITENOISE_USE_FINDERS = WHITENOISE_AUTOREFRESH = not STATIC_ROOT.exists()

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {
        "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
        "OPTIONS": {"min_length": 12},
    },
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "organizations"
LOGOUT_REDIRECT_URL = "sign-in"

# Accounts, by django-allauth: docs/adr/0020-accounts.md says why each is as it is.
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_ADAPTER = "bencher.tenancy.account_adapter.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_FORMS = {
    "login": "bencher.tenancy.account_forms.SignInForm",
    "signup": "bencher.tenancy.account_forms.SignUpForm",
    "add_email": "bencher.tenancy.account_forms.ChangeEmailForm",
    "change_password": "bencher.tenancy.account_forms.ChangePasswordForm",
    "set_password": "bencher.tenancy.account_forms.SetPasswordForm",
    "reset_password": "bencher.tenancy.account_forms.ResetPasswordForm",
    "reset_password_from_key": "bencher.tenancy.account_forms.ResetPasswordKeyForm",
    "reauthenticate": "bencher.tenancy.account_forms.ConfirmPasswordForm",
}
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
# In the browser that signed up; the link alone signs nobody in.
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_USER_DISPLAY = "bencher.tenancy.account_adapter.name_of"
MFA_ADAPTER = "bencher.tenancy.account_adapter.SecondFactorAdapter"
MFA_FORMS = {
    "authenticate": "bencher.tenancy.account_forms.SecondFactorForm",
    "reauthenticate": "bencher.tenancy.account_forms.ConfirmSecondFactorForm",
    "activate_totp": "bencher.tenancy.account_forms.ActivateAppForm",
    "add_webauthn": "bencher.tenancy.account_forms.AddPasskeyForm",
    "edit_webauthn": "bencher.tenancy.account_forms.RenamePasskeyForm",
}
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes", "webauthn"]
MFA_PASSKEY_LOGIN_ENABLED = True
# Nobody gets as far with an address that is not verified; this is about one that they change to.
MFA_ALLOW_UNVERIFIED_EMAIL = True
MFA_TOTP_ISSUER = "Bencher"
# Phones are off by some seconds, and people type slowly: one code before and one after count too.
MFA_TOTP_TOLERANCE = 1
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS

# Staff who see the site as somebody else: the banner is in base.html, not put into pages.
HIJACK_PERMISSION_CHECK = "bencher.tenancy.impersonating.may"
HIJACK_INSERT_BEFORE = None

# Security: one switch, which only a local run turns off.
SESSION_ENGINE = "bencher.sessions"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_NAME = "__Host-session" if HTTPS else "session"
CSRF_COOKIE_NAME = "__Host-csrf" if HTTPS else "csrf"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CROSS_ORIGIN_OPENER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        # Checkout answers a form with a redirect to Stripe's page, and browsers count that.
        "form-action": ["'self'", "https://checkout.stripe.com", "https://billing.stripe.com"]
        + ([STRIPE_API_BASE] if STRIPE_IS_SANDBOX else []),
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    }
}
DATA_UPLOAD_MAX_MEMORY_SIZE = INGEST_MAX_BYTES

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "series.authentication.ProjectKeyAuthentication",
        "bencher.tenancy.authentication.UserKeyAuthentication",
        "bencher.tenancy.authentication.UnknownBearer",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["bencher.tenancy.authentication.HasCredential"],
    "DEFAULT_THROTTLE_CLASSES": ["bencher.rest.throttling.KeyLimit"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "EXCEPTION_HANDLER": "bencher.errors.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "bencher.rest.operation_ids.NamedOperations",
    "UNAUTHENTICATED_USER": None,
}

SPECTACULAR_SETTINGS = {
    "TITLE": "Bencher billing",
    "DESCRIPTION": "Continuous benchmarking, billed on monthly-active series.",
    "VERSION": "0.1.0",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/v0",
    "POSTPROCESSING_HOOKS": ["bencher.rest.documenting.add_components"],
}

DJANGO_GUID = {
    "GUID_HEADER_NAME": "X-Request-Id",
    "VALIDATE_GUID": True,
    "RETURN_HEADER": True,
    "INTEGRATIONS": [],
}

# Redis and Celery. A dead Redis must cost a report milliseconds, so nothing retries.
CELERY_BROKER_URL = broker.celery_url(REDIS_URL)
CELERY_BROKER_TRANSPORT_OPTIONS = broker.TRANSPORT_OPTIONS
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 0}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE = schedule.beat_schedule(sweep_at=BILLING_SWEEP_AT)
CELERY_ENABLE_UTC = True

# dj-stripe mirrors what Stripe says. It demands well-formed keys even where none is set.
STRIPE_LIVE_MODE = STRIPE_SECRET_KEY.startswith(("sk_live_", "rk_live_"))
STRIPE_TEST_SECRET_KEY = "" if STRIPE_LIVE_MODE else STRIPE_SECRET_KEY
STRIPE_LIVE_SECRET_KEY = STRIPE_SECRET_KEY if STRIPE_LIVE_MODE else ""
DJSTRIPE_FOREIGN_KEY_TO_FIELD = "id"
if STRIPE_API_BASE != STRIPE_PUBLIC_API:
    STRIPE_API_HOST = STRIPE_API_BASE
    # It warns of another Stripe host; bencher.E002 refuses the case that matters, a live key.
    SILENCED_SYSTEM_CHECKS = ["djstripe.W002"]

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"request_id": {"()": "django_guid.log_filters.CorrelationId"}},
    "formatters": {
        "line": {
            "()": "bencher.logs.LineFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s [%(correlation_id)s] %(message)s",
        }
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["request_id"],
        }
    },
    "root": {"handlers": ["stderr"], "level": LOG_LEVEL},
    # A line for every call would drown ours; failures come as exceptions.
    "loggers": {"stripe": {"level": "WARNING"}, "django_guid": {"level": "WARNING"}},
}
