"""The WSGI application that gunicorn serves."""

import os

from django.core.wsgi import get_wsgi_application

from bencher import checks

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bencher.settings")

application = get_wsgi_application()

checks.refuse_unfit_keys()
checks.refuse_moved_clock()
