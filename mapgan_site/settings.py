"""Django settings, made from environment variables only. `.env.example` describes every one of them.

Two modes. ``MAPGAN_ENV=local`` (the default) is a laptop: everything needed is made under `var/`.
``MAPGAN_ENV=production`` has no default secret, wants HTTPS, and passes ``manage.py check --deploy``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import django_stubs_ext
from django.core.exceptions import ImproperlyConfigured

from mapgan_site import addresses, local, policies
from mapgan_site.env import Env, read_environment

django_stubs_ext.monkeypatch()  # ModelAdmin[Model], as the stubs ask for, exists at run time

BASE_DIR = Path(__file__).resolve().parent.parent
env = Env(read_environment(BASE_DIR / ".env"))

# --- Mode, secret, hosts ---------------------------------------------------------------------------------

PRODUCTION = env.choice("MAPGAN_ENV", ("local", "production"), default="local") == "production"
DEBUG = env.boolean("MAPGAN_DEBUG", default=False)
VAR_DIR = env.path("MAPGAN_VAR_DIR", BASE_DIR / "var")
BUILD = env.text("MAPGAN_BUILD")  # an image's tag, shown beside the version

SECRET_KEY = env.secret("MAPGAN_SECRET_KEY")
SECRET_KEY_FALLBACKS = [key for key in [env.secret("MAPGAN_SECRET_KEY_PREVIOUS")] if key]
if not SECRET_KEY:
    if PRODUCTION:
        raise ImproperlyConfigured("MAPGAN_SECRET_KEY (or MAPGAN_SECRET_KEY_FILE) must be set in production.")
    SECRET_KEY = local.secret_key(VAR_DIR / "secret_key")

BIND_HOST = env.text("HOST", "127.0.0.1")  # where `make run` listens
BIND_PORT = env.integer("PORT", 8000, least=1, most=65535)
ALLOWED_HOSTS = env.listing("MAPGAN_ALLOWED_HOSTS", () if PRODUCTION else local.allowed_hosts(BIND_HOST))
if not ALLOWED_HOSTS:
    raise ImproperlyConfigured("MAPGAN_ALLOWED_HOSTS must name the site's hosts in production.")
CSRF_TRUSTED_ORIGINS = env.listing("MAPGAN_TRUSTED_ORIGINS")

# --- HTTPS and the proxy in front ------------------------------------------------------------------------

TRUSTED_PROXIES = env.integer("MAPGAN_TRUSTED_PROXIES", 0, most=10)
HTTPS = env.boolean("MAPGAN_HTTPS", default=PRODUCTION)
if TRUSTED_PROXIES:  # without a proxy of ours, anybody can send these headers
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
SECURE_SSL_REDIRECT = HTTPS
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = env.integer("MAPGAN_HSTS_SECONDS", 31_536_000) * HTTPS
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = bool(SECURE_HSTS_SECONDS)
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
SESSION_COOKIE_HTTPONLY = True
CSRF_COOKIE_HTTPONLY = False  # the upload script reads the token again after a sign-in in another tab
CSRF_FAILURE_VIEW = "accounts.views.csrf_failure"

# --- Applications ----------------------------------------------------------------------------------------

INSTALLED_APPS = [
    "jobs",
    "accounts",
    "notifications",
    "translator",
    "training_jobs",
    "mapgan_site",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",  # runserver serves static files as production does
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "allauth",
    "allauth.account",
    "csp",
    "django_htmx",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]
MIDDLEWARE = [
    "mapgan_site.logs.RequestIdMiddleware",
    "csp.middleware.CSPMiddleware",
    "mapgan_site.middleware.MachinesMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "mapgan_site.middleware.PrivateResponsesMiddleware",
    "mapgan_site.middleware.BodySizeMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]
ROOT_URLCONF = "mapgan_site.urls"
WSGI_APPLICATION = "mapgan_site.wsgi.application"
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
            ]
        },
    }
]
CONTENT_SECURITY_POLICY: dict[str, Any] = policies.content_security_policy()
USE_TZ = True
TIME_ZONE = env.text("MAPGAN_TIME_ZONE", "UTC")
LANGUAGE_CODE = "en"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# --- Database and cache ----------------------------------------------------------------------------------

_database_url = env.secret("DATABASE_URL")
_postgres_use = addresses.PostgresUse(
    pool=env.integer("MAPGAN_DATABASE_POOL", 0, most=1000),
    timeout=env.integer("MAPGAN_DATABASE_TIMEOUT_SECONDS", 60, most=86_400),
)
DATABASES = {
    "default": addresses.database(_database_url, use=_postgres_use)
    if _database_url
    else addresses.sqlite_database(VAR_DIR / "db.sqlite3")
}
PREPARE_WAIT_SECONDS = env.number("MAPGAN_PREPARE_WAIT_SECONDS", 0, most=86_400)
# Sign-in rate limits live in the cache. In the database they hold for every web process and machine, and
# nobody is locked out when the broker is away. The table comes with a migration.
CACHES = {"default": {"BACKEND": "django.core.cache.backends.db.DatabaseCache", "LOCATION": "mapgan_cache"}}

# --- Files -----------------------------------------------------------------------------------------------

STORAGE = env.choice("MAPGAN_STORAGE", ("local", "s3"), default="local")
FILE_LINK_SECONDS = env.integer("MAPGAN_FILE_LINK_SECONDS", 60, least=1, most=3600)
MEDIA_ROOT = VAR_DIR / "media"
S3 = {
    "bucket_name": env.text("MAPGAN_S3_BUCKET"),
    "endpoint_url": env.text("MAPGAN_S3_ENDPOINT_URL") or None,
    "public_endpoint_url": env.text("MAPGAN_S3_PUBLIC_ENDPOINT_URL") or None,
    "region_name": env.text("MAPGAN_S3_REGION", "us-east-1"),
    "addressing_style": env.choice("MAPGAN_S3_ADDRESSING_STYLE", ("auto", "path", "virtual"), default="auto"),
    "access_key": env.secret("MAPGAN_S3_ACCESS_KEY_ID"),
    "secret_key": env.secret("MAPGAN_S3_SECRET_ACCESS_KEY"),
    "location": env.text("MAPGAN_S3_PREFIX").strip("/"),
    "encryption": env.choice("MAPGAN_S3_ENCRYPTION", ("", "AES256", "aws:kms"), default=""),
    "kms_key": env.text("MAPGAN_S3_KMS_KEY_ID"),
}
STORAGE_PATIENCE_SECONDS = env.number("MAPGAN_STORAGE_PATIENCE_SECONDS", 300, most=86_400)
if STORAGE == "s3":
    _default_storage: dict[str, Any] = policies.s3_storage(S3, link_seconds=FILE_LINK_SECONDS)
    policies.allow_images_from(CONTENT_SECURITY_POLICY, policies.s3_origin(S3))
else:
    _default_storage = policies.local_storage(MEDIA_ROOT)
STORAGES: dict[str, dict[str, Any]] = {
    "default": _default_storage,
    "staticfiles": {"BACKEND": "mapgan_site.storages.StaticStorage"},
}
GENERATORS_DIR = BASE_DIR / "generators"
SAMPLES_DIR = BASE_DIR / "samples"
STATIC_URL = "static/"
STATIC_ROOT = env.path("MAPGAN_STATIC_DIR", VAR_DIR / "static")
STATIC_COLLECTED = STATIC_ROOT != VAR_DIR / "static"  # beforehand, as the images' are
STATICFILES_DIRS = [BASE_DIR / "static", ("samples", SAMPLES_DIR)]
WHITENOISE_MANIFEST_STRICT = True

# --- Uploads and translation -----------------------------------------------------------------------------

TRANSLATION_MAX_BYTES = env.integer("MAPGAN_MAX_UPLOAD_MB", 20, least=1, most=1000) * 1_000_000
TRANSLATION_MAX_PIXELS = round(env.number("MAPGAN_MAX_MEGAPIXELS", 25, least=0.01, most=400) * 1_000_000)
REQUEST_MAX_BYTES = TRANSLATION_MAX_BYTES + 2**20  # the image and what a multipart form adds to it
DATA_UPLOAD_MAX_MEMORY_SIZE = 2**20  # form fields, not files
DATA_UPLOAD_MAX_NUMBER_FIELDS = 10_000  # every checkpoint of a long run may be chosen; the bytes are bounded
DATA_UPLOAD_MAX_NUMBER_FILES = 10
TRANSLATOR_CACHE_DIR = VAR_DIR / "cache" / "generators"
TRANSLATOR_LOADED_GENERATORS = env.integer("MAPGAN_LOADED_GENERATORS", 3, least=1, most=100)
TRANSLATOR_THREADS = env.integer("MAPGAN_TRANSLATE_THREADS", 0, most=1024) or None  # None: every core

# --- Training --------------------------------------------------------------------------------------------

DATASET_MAX_BYTES = env.integer("MAPGAN_MAX_DATASET_MB", 5000, least=1, most=1_000_000) * 1_000_000
DATASET_ROOTS = env.listing("MAPGAN_DATASET_ROOTS")  # folders of the server that staff may import from
DATASET_S3_PREFIXES = policies.s3_prefixes(env.listing("MAPGAN_DATASET_S3_PREFIXES"))  # and import from
DATASET_S3 = policies.dataset_s3(  # where those are; what is not said is as for our own files
    {
        "endpoint_url": env.text("MAPGAN_DATASET_S3_ENDPOINT_URL"),
        "region_name": env.text("MAPGAN_DATASET_S3_REGION"),
        "addressing_style": env.choice(
            "MAPGAN_DATASET_S3_ADDRESSING_STYLE", ("", "auto", "path", "virtual"), default=""
        ),
        "access_key": env.secret("MAPGAN_DATASET_S3_ACCESS_KEY_ID"),
        "secret_key": env.secret("MAPGAN_DATASET_S3_SECRET_ACCESS_KEY"),
    },
    S3,
)
TRAINING_WORK_DIR = env.path("MAPGAN_WORK_DIR", VAR_DIR / "work")  # a worker's scratch space
TENSORBOARD_URL = env.text("MAPGAN_TENSORBOARD_URL")  # empty: a socket of ours
TENSORBOARD_SOCKET = local.socket_path(VAR_DIR, "tensorboard.sock")
TENSORBOARD_DIR = env.path("MAPGAN_TENSORBOARD_DIR", VAR_DIR / "tensorboard")

# --- Jobs and the queue ----------------------------------------------------------------------------------

JOB_LEASE_SECONDS = env.number("MAPGAN_JOB_LEASE_SECONDS", 60, least=1)
JOB_HEARTBEAT_SECONDS = env.number("MAPGAN_JOB_HEARTBEAT_SECONDS", 10, least=0.1)
JOB_PROGRESS_SECONDS = env.number("MAPGAN_JOB_PROGRESS_SECONDS", 2)
JOB_MAX_ATTEMPTS = env.integer("MAPGAN_JOB_MAX_ATTEMPTS", 5, least=1, most=100)
JOB_REPUBLISH_SECONDS = env.number("MAPGAN_JOB_REPUBLISH_SECONDS", 30, least=1)
JOB_RECONCILE_SECONDS = env.number("MAPGAN_JOB_RECONCILE_SECONDS", 15, least=0.5)
if JOB_HEARTBEAT_SECONDS * 2 > JOB_LEASE_SECONDS:
    raise ImproperlyConfigured("MAPGAN_JOB_LEASE_SECONDS must be twice MAPGAN_JOB_HEARTBEAT_SECONDS or more.")

_redis_url = env.secret("REDIS_URL")
EMBEDDED_BROKER = not _redis_url  # `make run` then starts one on a Unix socket
BROKER_SOCKET = local.socket_path(VAR_DIR, "broker.sock")
REDIS_URL, CELERY_BROKER_URL = addresses.redis(_redis_url or f"unix://{BROKER_SOCKET}")
globals().update(policies.celery(reconcile_seconds=JOB_RECONCILE_SECONDS))
CLOUDWATCH_NAMESPACE = env.text("MAPGAN_CLOUDWATCH_NAMESPACE")
if CLOUDWATCH_NAMESPACE:
    policies.publish_queue_lengths(globals()["CELERY_BEAT_SCHEDULE"])
CELERY_BEAT_SCHEDULE_FILENAME = str(VAR_DIR / "beat-schedule")
CELERY_TIMEZONE = "UTC"

# --- Accounts and mail -----------------------------------------------------------------------------------

AUTH_USER_MODEL = "accounts.User"
AUTHENTICATION_BACKENDS = [
    "django.contrib.auth.backends.ModelBackend",
    "allauth.account.auth_backends.AuthenticationBackend",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "translator:submit"
ACCOUNT_LOGOUT_REDIRECT_URL = "home"
ACCOUNT_LOGIN_METHODS = {"username", "email"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "email", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_EMAIL_SUBJECT_PREFIX = "[MapGAN] "
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
ACCOUNT_SESSION_REMEMBER = True
globals().update(addresses.email(env.secret("EMAIL_URL", "console:")))
DEFAULT_FROM_EMAIL = SERVER_EMAIL = env.text("MAPGAN_EMAIL_FROM", "MapGAN <mapgan@localhost>")

# Where the site is, for links in mail and webhooks, which no request's host is there to tell.
SITE_URL = addresses.site(
    env.text("MAPGAN_SITE_URL"),
    https=HTTPS,
    hosts=ALLOWED_HOSTS,
    bind=BIND_HOST,
    port=BIND_PORT,
    local=not PRODUCTION,
)
WEBHOOK_NETWORKS = addresses.networks(
    env.listing("MAPGAN_WEBHOOK_NETWORKS"), variable="MAPGAN_WEBHOOK_NETWORKS"
)

# --- API -------------------------------------------------------------------------------------------------

REST_FRAMEWORK = policies.REST_FRAMEWORK
SPECTACULAR_SETTINGS = policies.SPECTACULAR

# --- Logging ---------------------------------------------------------------------------------------------

LOG_FORMAT = env.choice("MAPGAN_LOG_FORMAT", policies.LOG_FORMATS, default="text")
LOGGING = policies.logging(
    env.choice("MAPGAN_LOG_LEVEL", policies.LOG_LEVELS, default="INFO"), log_format=LOG_FORMAT
)
ACCESS_LOG = env.boolean("MAPGAN_ACCESS_LOG", default=True)

# --- Figures for Prometheus: with neither, /metrics is for staff alone -----------------------------------

METRICS_TOKEN = env.secret("MAPGAN_METRICS_TOKEN")
METRICS_NETWORKS = addresses.networks(
    env.listing("MAPGAN_METRICS_NETWORKS"), variable="MAPGAN_METRICS_NETWORKS"
)

# Read by scripts/run.py and process.py, which start the processes; named here so that every process knows the
# variables.
WEB_THREADS = env.integer("MAPGAN_WEB_THREADS", 32, least=1, most=256)
WEB_GRACE_SECONDS = env.integer("MAPGAN_WEB_GRACE_SECONDS", 3, least=1, most=3600)
env.refuse_unknown("MAPGAN_", known=("MAPGAN_ENV_FILE",))
