"""All endpoints of `/api/v1`, in the order of the documentation."""

from __future__ import annotations

from api.v1 import (
    allergies,
    audit,
    auth,
    billings,
    break_glass,
    doctors,
    document_content,
    documents,
    immunizations,
    insurance,
    medical_history,
    passwords,
    reports,
    second_factors,
    sessions,
    shares,
    signed_links,
    uploads,
    users,
    vital_signs,
)
from api.v1.endpoint import Endpoint

TABLE: tuple[Endpoint, ...] = (
    *auth.ENDPOINTS,
    *passwords.ENDPOINTS,
    *second_factors.ENDPOINTS,
    *sessions.ENDPOINTS,
    *users.ENDPOINTS,
    *audit.ENDPOINTS,
    *break_glass.ENDPOINTS,
    *doctors.ENDPOINTS,
    *documents.ENDPOINTS,
    *document_content.ENDPOINTS,
    *shares.ENDPOINTS,
    *signed_links.ENDPOINTS,
    *uploads.ENDPOINTS,
    *billings.ENDPOINTS,
    *reports.ENDPOINTS,
    *vital_signs.ENDPOINTS,
    *medical_history.ENDPOINTS,
    *insurance.ENDPOINTS,
    *immunizations.ENDPOINTS,
    *allergies.ENDPOINTS,
)
